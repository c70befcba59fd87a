namespace NBit.Training.Callbacks;

/// <summary>Which values of a monitored metric are better.</summary>
public enum MonitorMode
{
    /// <summary>Smaller ones: losses.</summary>
    Min,

    /// <summary>Larger ones: accuracies.</summary>
    Max,
}

/// <summary>Compares values of a monitored metric.</summary>
internal static class MonitorModes
{
    /// <summary>
    /// Whether a value is better than another by more than a difference. NaN is worse than any other.
    /// </summary>
    public static bool IsBetter(this MonitorMode mode, double value, double than, double minDelta = 0) =>
        double.IsNaN(than) ? !double.IsNaN(value)
        : mode == MonitorMode.Min ? value < than - minDelta
        : value > than + minDelta;

    /// <summary>What every value is better than.</summary>
    public static double Worst(this MonitorMode mode) =>
        mode == MonitorMode.Min ? double.PositiveInfinity : double.NegativeInfinity;

    /// <summary>The value of a monitored metric.</summary>
    /// <exception cref="InvalidOperationException">Nothing was logged under that name.</exception>
    public static double Monitored(this Trainer trainer, string monitor, string who) =>
        trainer.LoggedMetrics.TryGetValue(monitor, out var value)
            ? value
            : throw new InvalidOperationException(
                $"{who} monitors '{monitor}', which was not logged; logged are: {string.Join(", ", trainer.LoggedMetrics.Keys.Order(StringComparer.Ordinal))}"
            );
}
