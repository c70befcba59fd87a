using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Reports;

/// <summary><c>--ratios</c>: measures rows and prints them as Markdown tables.</summary>
internal sealed class RatioReport(int rounds)
{
    /// <summary>Prints each row as it is measured.</summary>
    public Results Run(IReadOnlyList<Family> families)
    {
        var machine = MachineDescription.Text();
        Console.WriteLine(machine);
        Console.WriteLine($"Median (least to most) of {rounds} rounds; ratios and shares are taken in each round");
        var results = new Results(machine, DateTime.UtcNow, rounds, [.. families.Select(Run)]);
        Console.WriteLine($"\n{results.Summary}");
        return results;
    }

    private FamilyResult Run(Family family)
    {
        Console.WriteLine($"\n### {family.Name}: {family.Title}\n");
        var otherWork = new OtherWork();
        List<RowResult> rows = [];
        foreach (var row in family.Rows)
        {
            using var trial = row.Prepare();
            var result = RowResult.Of(family, row, trial, Rounds.Measure(trial, rounds));
            if (rows.Count == 0)
            {
                Console.WriteLine(MarkdownTable.Head(family.Unit.Name, result));
            }

            Console.WriteLine(MarkdownTable.Row(result));
            rows.Add(result);
        }

        var others = otherWork.Processors;
        Console.WriteLine(MarkdownTable.Foot(others));
        return new FamilyResult(family.Name, family.Title, family.Unit.Name, rows, others);
    }
}
