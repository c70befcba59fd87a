using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;
using NBit.Optimizers;

namespace NBit.Benchmarks.Optimizers;

/// <summary>A step of many small tensors, beside one of a tensor of their size together.</summary>
internal sealed class SmallTensorsRow() : Row($"Adam8bit, {Tensors} tensors of {Elements}, against one")
{
    // The fewest elements that have 8-bit states by default
    private const int Tensors = 1000,
        Elements = 4096;
    private const double BytesPerParameter = 16;

    public override Trial Prepare()
    {
        var (many, one) = (Run(Tensors), Run(1));
        return new Trial(new Both(many, one))
        {
            Contenders = [new("NBit", many.Seconds), new("one tensor", one.Seconds)],
            Limits = [MachineLimits.StreamingCopy(BytesPerParameter * Tensors * Elements)],
            Work = BytesPerParameter * Tensors * Elements,
        };
    }

    public override string Check()
    {
        using var many = Run(Tensors);
        using var one = Run(1);
        many.Seconds();
        one.Seconds();
        using var left = many.Numbers();
        using var right = one.Numbers();
        using var flat = right.reshape(left.shape);
        return left.Equals(flat)
            ? "after two steps, the parameters are bit for bit those of one tensor"
            : throw new CheckFailedException("after two steps, the parameters are not those of one tensor");
    }

    private static OptimizerRun Run(int tensors) =>
        new(tensors, (long)Tensors * Elements / tensors, parameters => new Adam8bit(parameters));
}
