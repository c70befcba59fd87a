using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Reports;

/// <summary><c>--ratios</c>: measures rows and prints them as Markdown tables.</summary>
internal sealed class RatioReport(int rounds)
{
    private readonly List<string> _missed = [];
    private int _targets;

    public void Run(IReadOnlyList<Family> families)
    {
        Console.WriteLine(MachineDescription.Text());
        Console.WriteLine($"Median (least to most) of {rounds} rounds; ratios and shares are taken in each round");
        foreach (var family in families)
        {
            Console.WriteLine($"\n### {family.Name}: {family.Title}\n");
            var otherWork = new OtherWork();
            foreach (var (index, row) in family.Rows.Index())
            {
                Measure(family, row, isFirst: index == 0);
            }

            if (otherWork.Processors is { } processors)
            {
                Console.WriteLine(
                    $"\nMeanwhile other work took {processors:0.0} of {Environment.ProcessorCount} cores"
                );
            }
        }

        Console.WriteLine(
            _missed.Count == 0
                ? $"\nTargets: all {_targets} reached"
                : $"\nTargets: {_targets - _missed.Count} of {_targets} reached; missed by {string.Join("; ", _missed)}"
        );
    }

    private void Measure(Family family, Row row, bool isFirst)
    {
        using var trial = row.Prepare();
        if (isFirst)
        {
            WriteHead(family, trial);
        }

        var figures = Rounds.Measure(trial, rounds);
        List<string> cells = [row.Name];
        cells.AddRange(trial.Contenders.Index().Select(contender => $"{figures.Of(contender.Index, family.Unit)}"));
        cells.Add($"{figures.Speed.Median:0.00}");
        cells.AddRange(
            trial
                .Limits.Index()
                .Select(limit =>
                    $"{figures.Share(limit.Item.Name).Median:0 %} of {Spread.Show(figures.Rate(limit.Index).Median * 1e-9)}"
                )
        );
        cells.Add(Judge(family, row, figures));
        WriteCells(cells);
    }

    private string Judge(Family family, Row row, Figures figures)
    {
        if (row.Target is null)
        {
            return "";
        }

        var (reached, text) = row.Target.Judge(figures);
        _targets++;
        if (!reached)
        {
            _missed.Add($"{family.Name} {row.Name}");
        }

        return text;
    }

    private static void WriteHead(Family family, Trial trial)
    {
        List<string> heads = ["row"];
        heads.AddRange(trial.Contenders.Select(contender => $"{contender.Name}, {family.Unit.Name}"));
        heads.Add($"speed, x {trial.Contenders[1].Name}");
        heads.AddRange(trial.Limits.Select(limit => $"of {limit.Name}, G/s"));
        heads.Add("target");
        WriteCells(heads);
        WriteCells(heads.ConvertAll(_ => "---"));
    }

    private static void WriteCells(List<string> cells) => Console.WriteLine($"| {string.Join(" | ", cells)} |");
}
