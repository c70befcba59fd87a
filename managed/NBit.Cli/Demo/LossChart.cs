using ScottPlot;

namespace NBit.Cli.Demo;

/// <summary>Draws the loss curves of several runs into one picture.</summary>
internal static class LossChart
{
    private const int Window = 23; // steps that are averaged: an epoch of the demonstration

    public static void Save(FileInfo file, IEnumerable<DigitsResult> results)
    {
        using var plot = new Plot();
        foreach (var result in results)
        {
            var line = plot.Add.Signal(Smooth(result.Losses));
            line.LegendText = result.Summary.Name;
            line.LineWidth = 2;
        }

        plot.Title("Handwritten digits: training loss by precision");
        plot.XLabel("step");
        plot.YLabel("cross entropy");
        plot.ShowLegend(Alignment.UpperRight);
        file.Directory?.Create();
        plot.SavePng(file.FullName, width: 900, height: 560);
    }

    private static double[] Smooth(IReadOnlyList<double> values) =>
        [.. values.Select((_, i) => values.Skip(Math.Max(0, i - Window + 1)).Take(Math.Min(i + 1, Window)).Average())];
}
