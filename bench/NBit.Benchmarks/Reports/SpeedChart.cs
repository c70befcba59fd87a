using NBit.Benchmarks.Measurement;
using ScottPlot;

namespace NBit.Benchmarks.Reports;

/// <summary>A bar a row: how many times as fast as the peer NBit is, on a logarithmic axis.</summary>
internal static class SpeedChart
{
    private const int Width = 1000,
        HeightOfRow = 26,
        HeightOfRest = 130;

    public static void Save(string file, FamilyResult family)
    {
        using var plot = new Plot();
        var rows = family.Rows.Reverse().ToList(); // the first one on top
        var bars = rows.Index()
            .Select(row => new Bar
            {
                Position = row.Index,
                Value = Math.Log2(row.Item.Speed.Median),
                Label = $"{row.Item.Speed.Median:0.00}",
                FillColor = row.Item.Speed.Median >= 1 ? Colors.SteelBlue : Colors.Orange,
            })
            .ToList();
        plot.Add.Bars(bars).Horizontal = true;
        plot.Add.VerticalLine(0, color: Colors.Black);
        plot.Axes.Left.TickGenerator = new ScottPlot.TickGenerators.NumericManual(
            [.. Enumerable.Range(0, rows.Count).Select(index => (double)index)],
            [.. rows.Select(row => row.Name)]
        );
        plot.Axes.Bottom.TickGenerator = PowersOfTwo();
        plot.Axes.Margins(horizontal: 0.15);
        plot.Title($"{family.Name}: {family.Title}", size: 14);
        plot.XLabel($"NBit's speed, times that of {family.Rows[0].Contenders[1].Name}");
        plot.SavePng(file, Width, HeightOfRest + (HeightOfRow * rows.Count));
    }

    private static ScottPlot.TickGenerators.NumericManual PowersOfTwo()
    {
        int[] exponents = [.. Enumerable.Range(-4, 12)];
        return new(
            [.. exponents.Select(exponent => (double)exponent)],
            [.. exponents.Select(exponent => $"{Math.Pow(2, exponent)}")]
        );
    }
}
