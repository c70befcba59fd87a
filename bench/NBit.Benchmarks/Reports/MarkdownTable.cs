using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Reports;

/// <summary>A family as a table in Markdown.</summary>
internal static class MarkdownTable
{
    /// <summary>The lines before the first row; another row of the family gives the columns.</summary>
    public static string Head(string unit, RowResult row)
    {
        List<string> heads = ["row"];
        heads.AddRange(row.Contenders.Select(contender => $"{contender.Name}, {unit}"));
        heads.Add($"speed, x {row.Contenders[1].Name}");
        heads.AddRange(row.Limits.Select(limit => $"of {limit.Name}, G/s"));
        heads.Add("target");
        return $"{Line(heads)}\n{Line(heads.ConvertAll(_ => "---"))}";
    }

    public static string Row(RowResult row)
    {
        List<string> cells = [row.Name];
        cells.AddRange(row.Contenders.Select(contender => $"{contender.Figure}"));
        cells.Add($"{row.Speed.Median:0.00}");
        cells.AddRange(
            row.Limits.Select(limit => $"{limit.Share.Median:0 %} of {Spread.Show(limit.Rate.Median * 1e-9)}")
        );
        cells.Add(row.Target ?? "");
        return Line(cells);
    }

    /// <summary>The line below the table.</summary>
    public static string Foot(double? otherWork) =>
        otherWork is { } cores ? $"\nMeanwhile other work took {cores:0.0} of {Environment.ProcessorCount} cores" : "";

    private static string Line(List<string> cells) => $"| {string.Join(" | ", cells)} |";
}
