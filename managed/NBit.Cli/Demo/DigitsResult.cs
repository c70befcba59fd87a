using System.Text.Json.Serialization;

namespace NBit.Cli.Demo;

/// <summary>A row of the demonstration's table.</summary>
/// <param name="Mode">The precision.</param>
/// <param name="Optimizer">The optimizer.</param>
/// <param name="TestAccuracy">The share of right digits in the held-out fifth, 0 to 1.</param>
/// <param name="FinalLoss">The mean training loss of the last epoch.</param>
/// <param name="WeightBytes">What parameters and buffers take.</param>
/// <param name="OptimizerBytes">What the optimizer's state takes.</param>
/// <param name="SamplesPerSecond">Training samples a second.</param>
internal sealed record DigitsSummary(
    string Mode,
    string Optimizer,
    double TestAccuracy,
    double FinalLoss,
    long WeightBytes,
    long OptimizerBytes,
    double SamplesPerSecond
)
{
    /// <summary>The precision, and the optimizer where it is not the usual one.</summary>
    [JsonIgnore]
    public string Name => Optimizer == DigitsOptimizers.Default ? Mode : $"{Mode}, {Optimizer}";
}

/// <summary>One run of the demonstration.</summary>
/// <param name="Summary">The row of the table.</param>
/// <param name="Losses">The loss of each step.</param>
/// <param name="Scales">The scales of the hidden layer where it multiplies in 8 bits; else empty.</param>
internal sealed record DigitsResult(DigitsSummary Summary, IReadOnlyList<double> Losses, ScaleHistory Scales);
