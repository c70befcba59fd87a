using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Linear;

/// <summary>What TorchSharp's linear layers cost with NBit in place.</summary>
internal static class LinearFamily
{
    private const double MostMoreNanoseconds = 1000;

    public static Family Create() =>
        new(
            "linear-interception",
            $"one row by [{LinearRun.Features}, {LinearRun.Features}], no gradients, time of a call",
            Unit.Nanoseconds,
            [
                .. from shape in (long[][])
                    [
                        [1, LinearRun.Features],
                        [1, 1, LinearRun.Features],
                    ]
                from hasBias in (bool[])[false, true]
                select new LinearRow(shape, hasBias) { Target = Target.MoreNanoseconds(MostMoreNanoseconds) },
            ]
        );
}
