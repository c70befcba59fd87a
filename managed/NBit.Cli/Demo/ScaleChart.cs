using System.Text.Json;
using NBit.Cli.Commands;
using ScottPlot;

namespace NBit.Cli.Demo;

/// <summary>Draws the scales and amaxes of a layer over a run, and writes their numbers beside the picture.</summary>
internal static class ScaleChart
{
    /// <summary>Where the numbers of a picture are.</summary>
    public static FileInfo NumbersOf(FileInfo picture) => new(Path.ChangeExtension(picture.FullName, ".json"));

    public static void Save(FileInfo file, string layer, ScaleHistory history)
    {
        file.Directory?.Create();
        var plots = new Multiplot();
        plots.AddPlots(2);
        Draw(plots.GetPlot(0), $"{layer}: scale", history.Curves.Select(curve => (curve.Tensor, curve.Scale)));
        Draw(plots.GetPlot(1), $"{layer}: amax", history.Curves.Select(curve => (curve.Tensor, curve.Amax)));
        plots.SavePng(file.FullName, width: 900, height: 900);
        File.WriteAllText(
            NumbersOf(file).FullName,
            JsonSerializer.Serialize(new { layer, tensors = history.Curves }, CommandJson.Document)
        );
    }

    // By powers of two, in which exponents of 8-bit numbers are counted.
    private static void Draw(Plot plot, string title, IEnumerable<(string Name, IReadOnlyList<float> Numbers)> curves)
    {
        foreach (var (name, numbers) in curves)
        {
            var points = numbers.Index().Where(point => point.Item > 0 && float.IsFinite(point.Item)).ToList();
            var line = plot.Add.ScatterLine(
                points.Select(point => (double)point.Index).ToArray(),
                points.Select(point => Math.Log2(point.Item)).ToArray()
            );
            line.LegendText = name;
            line.LineWidth = 2;
        }

        plot.Title(title);
        plot.XLabel("step");
        plot.YLabel("log2");
        plot.ShowLegend(Alignment.UpperRight);
    }
}
