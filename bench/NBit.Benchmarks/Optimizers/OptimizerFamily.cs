using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;
using NBit.Optimizers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Optimizers;

/// <summary>Steps of the 8-bit optimizers, called as a training loop calls them.</summary>
internal static class OptimizerFamily
{
    private const double Rate = 1e-3,
        Momentum = 0.9;

    public static Family Create() =>
        new(
            "optimizers",
            $"{OptimizerRow.Elements / 1e6:0.0} million float32 parameters, through step(); bytes that must move",
            Unit.GigabytesPerSecond,
            [
                new OptimizerRow("Adam8bit", 16, p => new Adam8bit(p), TorchSharpAdam, Adam)
                {
                    Target = Target.ShareOf(MachineLimits.StreamingCopyName, 0.58).And(Target.Speed(10)),
                },
                new OptimizerRow("Lion8bit", 14, p => new Lion8bit(p, Rate), TorchSharpMomentum, Lion)
                {
                    Target = Target.ShareOf(MachineLimits.StreamingCopyName, 0.85),
                },
                new OptimizerRow("SGD8bit", 14, p => new SGD8bit(p, Rate, Momentum), TorchSharpMomentum, Sgd)
                {
                    Target = Target.ShareOf(MachineLimits.StreamingCopyName, 0.85),
                },
                new OptimizerRow("Adam32bit", 28, p => new Adam32bit(p), TorchSharpAdam, Adam)
                {
                    Target = Target.ShareOf(MachineLimits.StreamingCopyName, 0.9),
                },
                new SmallTensorsRow { Target = Target.Speed(1 / 3.0) },
            ]
        );

    private static optim.Optimizer TorchSharpAdam(IEnumerable<Parameter> parameters) => optim.Adam(parameters, Rate);

    private static optim.Optimizer TorchSharpMomentum(IEnumerable<Parameter> parameters) =>
        optim.SGD(parameters, Rate, Momentum);

    // First steps: moments are in proportion to the gradient, and corrections take the proportion away.
    private static Tensor Adam(Tensor parameter, Tensor gradient) =>
        parameter - (Rate * gradient / (gradient.abs() + 1e-8));

    private static Tensor Lion(Tensor parameter, Tensor gradient) => parameter - (Rate * gradient.sign());

    private static Tensor Sgd(Tensor parameter, Tensor gradient) => parameter - (Rate * gradient);
}
