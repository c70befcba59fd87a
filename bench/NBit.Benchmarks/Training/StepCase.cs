using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Training;

/// <summary>How a model is trained.</summary>
/// <param name="Optimizer">SGD or AdamW.</param>
/// <param name="MaxNorm">The limit for the norm of the gradients, or null for none.</param>
/// <param name="Precision">One of NBit's precisions.</param>
public sealed record StepCase(string Optimizer, double? MaxNorm, string Precision)
{
    /// <summary>All that are measured.</summary>
    public static IReadOnlyList<StepCase> All { get; } =
    [
        .. from precision in (string[])["32-true", "bf16-mixed"]
        from optimizer in (string[])["SGD", "AdamW"]
        from maxNorm in (double?[])[null, 0.1]
        select new StepCase(optimizer, maxNorm, precision),
    ];

    /// <inheritdoc />
    public override string ToString() => $"{Optimizer}, {(MaxNorm is null ? "not clipped" : "clipped")}, {Precision}";

    internal optim.Optimizer CreateOptimizer(IEnumerable<Parameter> parameters) =>
        Optimizer == "SGD" ? optim.SGD(parameters, learningRate: 0.01) : optim.AdamW(parameters, lr: 1e-3);
}
