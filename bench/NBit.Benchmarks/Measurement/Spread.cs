namespace NBit.Benchmarks.Measurement;

/// <summary>What several rounds gave: the median and the range.</summary>
internal readonly record struct Spread(double Median, double Least, double Most)
{
    public static Spread Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        var middle = sorted.Length / 2;
        var median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(median, sorted[0], sorted[^1]);
    }

    /// <summary>The median, and the range in brackets.</summary>
    public override string ToString() => $"{Show(Median)} ({Show(Least)} to {Show(Most)})";

    /// <summary>A number with three digits that count, or more before the point.</summary>
    public static string Show(double value) =>
        Math.Abs(value) switch
        {
            < 10 => $"{value:0.00}",
            < 100 => $"{value:0.0}",
            _ => $"{value:0}",
        };
}
