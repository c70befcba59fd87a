using NBit.Benchmarks.Measurement;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Linear;

/// <summary>What NBit's place between TorchSharp and LibTorchSharp costs a linear layer.</summary>
internal sealed class LinearRow(long[] shape, bool hasBias)
    : Row($"input [{string.Join(", ", shape)}], {(hasBias ? "with bias" : "without bias")}")
{
    private const int Calls = 2000;
    private const double Tolerance = 1e-5; // float32, sums of 64 products of about 1 x 0.1

    public override Trial Prepare()
    {
        var run = new LinearRun(shape, hasBias);
        return new Trial(run)
        {
            Contenders =
            [
                new("Linear.forward", () => Seconds(run.ThroughTorchSharp)),
                new("LibTorchSharp", () => Seconds(run.ThroughLibTorchSharp)),
            ],
        };
    }

    public override string Check()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var run = new LinearRun(shape, hasBias);
        var expected = Reference(run);
        Compare(run.ThroughTorchSharp, expected, intercepted: 1);
        Compare(run.ThroughLibTorchSharp, expected, intercepted: 0);
        return $"intercepted once, directly not; both within {Tolerance:g} of the sums in float64";
    }

    private static double Seconds(Func<Tensor> forward)
    {
        using var noGrad = no_grad();
        return Clock.Seconds(() => forward().Dispose(), Calls);
    }

    private static void Compare(Func<Tensor> forward, double[] expected, long intercepted)
    {
        var before = LinearRun.Intercepted;
        var actual = forward().data<float>().ToArray();
        var seen = LinearRun.Intercepted - before;
        if (seen != intercepted)
        {
            throw new CheckFailedException($"NBit saw {seen} calls of {forward.Method.Name} instead of {intercepted}");
        }

        var difference = actual.Zip(expected, (one, other) => Math.Abs(one - other)).Max();
        if (actual.Length != expected.Length || !(difference <= Tolerance))
        {
            throw new CheckFailedException($"{forward.Method.Name} is {difference:g3} off the sums in float64");
        }
    }

    // y = x W^T + b, one row
    private static double[] Reference(LinearRun run)
    {
        float[] x = [.. run.Input.data<float>()],
            weight = [.. run.Weight.data<float>()];
        var bias = run.Bias is null ? new float[LinearRun.Features] : [.. run.Bias.data<float>()];
        return [.. bias.Select((shift, row) => shift + Product(weight.AsSpan(row * x.Length, x.Length), x))];
    }

    private static double Product(ReadOnlySpan<float> row, ReadOnlySpan<float> input)
    {
        var sum = 0.0;
        for (var i = 0; i < row.Length; i++)
        {
            sum += (double)row[i] * input[i];
        }

        return sum;
    }
}
