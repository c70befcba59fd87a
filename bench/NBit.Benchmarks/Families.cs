using NBit.Benchmarks.Casts;
using NBit.Benchmarks.Float8;
using NBit.Benchmarks.Linear;
using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;
using NBit.Benchmarks.Quantization;
using NBit.Benchmarks.Training;

namespace NBit.Benchmarks;

/// <summary>All that is measured. A new family is one line here.</summary>
internal static class Families
{
    /// <param name="sets">The instruction sets whose kernels are measured.</param>
    public static IReadOnlyList<Family> All(IReadOnlyList<InstructionSet> sets) =>
        [
            .. CastFamilies.All(sets),
            StepFamily.Create(),
            LinearFamily.Create(),
            LayerFamily.Create(),
            BlocksFamily.Create(),
            Float8Family.Create(),
        ];

    /// <summary>The rows whose name, or whose family's, contains a text.</summary>
    public static IReadOnlyList<Family> Matching(IReadOnlyList<Family> families, string filter) =>
        [
            .. families
                .Select(family => family with { Rows = [.. family.Rows.Where(row => Matches(family, row, filter))] })
                .Where(family => family.Rows.Count > 0),
        ];

    private static bool Matches(Family family, Row row, string filter) =>
        $"{family.Name} {row.Name}".Contains(filter, StringComparison.OrdinalIgnoreCase);
}
