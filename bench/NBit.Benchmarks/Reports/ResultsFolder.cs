using System.Text;
using System.Text.Json;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Reports;

/// <summary>Results as files: RESULTS.md for people, results.json for programs, and a chart a family.</summary>
internal sealed class ResultsFolder(string folder)
{
    private const string Charts = "results";

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    /// <summary>Writes all files; those of an earlier run are replaced.</summary>
    public void Write(Results results)
    {
        Directory.CreateDirectory(Path.Combine(folder, Charts));
        foreach (var family in results.Families)
        {
            SpeedChart.Save(Path.Combine(folder, ChartOf(family)), family);
        }

        File.WriteAllText(Path.Combine(folder, Charts, "results.json"), JsonSerializer.Serialize(results, Json) + "\n");
        File.WriteAllText(Path.Combine(folder, "RESULTS.md"), Markdown(results));
    }

    private static string ChartOf(FamilyResult family) => $"{Charts}/{family.Name}.png";

    private static string Markdown(Results results)
    {
        var text = new StringBuilder();
        text.AppendLine("# Results");
        text.AppendLine();
        text.AppendLine("Written by `./build.sh bench`; README.md says how it measures and how to read the tables.");
        text.AppendLine();
        text.AppendLine("```").AppendLine(results.Machine).AppendLine("```");
        text.AppendLine();
        text.AppendLine(
            $"Median (least to most) of {results.Rounds} rounds; ratios and shares are taken in each round."
        );
        text.AppendLine();
        text.AppendLine(results.Summary);
        foreach (var family in results.Families)
        {
            text.AppendLine().AppendLine($"## {family.Name}: {family.Title}").AppendLine();
            text.AppendLine(MarkdownTable.Head(family.Unit, family.Rows[0]));
            family.Rows.ToList().ForEach(row => text.AppendLine(MarkdownTable.Row(row)));
            text.AppendLine(MarkdownTable.Foot(family.OtherWork)).AppendLine();
            text.AppendLine($"![NBit's speed beside {family.Rows[0].Contenders[1].Name}]({ChartOf(family)})");
        }

        return text.ToString();
    }
}
