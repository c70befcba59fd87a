using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Optimizers;

/// <summary>A step of an optimizer of NBit's, beside one of TorchSharp's.</summary>
/// <param name="name">NBit's optimizer.</param>
/// <param name="bytes">The bytes that are read and written for each parameter.</param>
/// <param name="make">Makes it.</param>
/// <param name="makePeer">Makes the peer.</param>
/// <param name="firstStep">What a parameter and its gradient become in the first step.</param>
internal sealed class OptimizerRow(
    string name,
    double bytes,
    Func<IEnumerable<Parameter>, optim.Optimizer> make,
    Func<IEnumerable<Parameter>, optim.Optimizer> makePeer,
    Func<Tensor, Tensor, Tensor> firstStep
) : Row(name)
{
    /// <summary>How many parameters are stepped: four matrices of a model's width.</summary>
    public const long Elements = 4096 * 4096;

    private const long FewElements = 10_000;
    private const double Tolerance = 1e-6;

    public override Trial Prepare()
    {
        var own = new OptimizerRun(1, Elements, make);
        var peer = new OptimizerRun(1, Elements, makePeer);
        return new Trial(new Both(own, peer))
        {
            Contenders = [new("NBit", own.Seconds), new("TorchSharp", peer.Seconds)],
            Limits = [MachineLimits.StreamingCopy(bytes * Elements)],
            Work = bytes * Elements,
        };
    }

    public override string Check()
    {
        using var scope = NewDisposeScope();
        using var run = new OptimizerRun(1, FewElements, make);
        var expected = firstStep(run.Start.to(ScalarType.Float64), run.Gradients.to(ScalarType.Float64));
        var error = (run.Numbers().to(ScalarType.Float64) - expected).abs().max().item<double>();
        return error <= Tolerance
            ? $"after the first step at most {error:0.0e+0} off its formula in float64"
            : throw new CheckFailedException($"after the first step {error:0.0e+0} off its formula in float64");
    }
}

/// <summary>Runs that are measured together.</summary>
internal sealed class Both(OptimizerRun own, OptimizerRun peer) : IDisposable
{
    public void Dispose()
    {
        own.Dispose();
        peer.Dispose();
    }
}
