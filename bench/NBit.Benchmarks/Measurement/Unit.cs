namespace NBit.Benchmarks.Measurement;

/// <summary>What a family's figures are shown in.</summary>
/// <param name="Name">Its symbol.</param>
/// <param name="Of">The figure for an amount of work and the seconds that it took.</param>
internal sealed record Unit(string Name, Func<double, double, double> Of)
{
    /// <summary>Bytes read plus bytes written; 1 GB is 10^9 bytes.</summary>
    public static Unit GigabytesPerSecond { get; } = new("GB/s", (bytes, seconds) => bytes / seconds * 1e-9);

    /// <summary>The time of one call or step.</summary>
    public static Unit Microseconds { get; } = new("us", (_, seconds) => seconds * 1e6);

    /// <summary>The time of one call.</summary>
    public static Unit Nanoseconds { get; } = new("ns", (_, seconds) => seconds * 1e9);
}
