using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Training;

/// <summary>What the Trainer adds to a training step.</summary>
internal static class StepFamily
{
    private const double MostMoreTime = 0.05;

    public static Family Create() =>
        new(
            "training-step",
            $"three linear layers of width {Mlp.Width}, batches of {StepData.BatchSize}, time of a step",
            Unit.Microseconds,
            [.. StepCase.All.Select(how => new StepRow(how) { Target = Target.MoreTime(MostMoreTime) })]
        );
}
