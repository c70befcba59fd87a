namespace NBit.Benchmarks.Measurement;

/// <summary>One way to do a row's work.</summary>
/// <param name="Name">Whose way.</param>
/// <param name="Seconds">Does the work and returns the seconds that it took.</param>
internal sealed record Contender(string Name, Func<double> Seconds);

/// <summary>What the machine can do at most.</summary>
/// <param name="Name">What is limited.</param>
/// <param name="Work">How much of it a row's work needs: bytes, or operations.</param>
/// <param name="Rate">Measures the limit once: so much a second.</param>
internal sealed record Limit(string Name, double Work, Func<double> Rate);

/// <summary>A row that is ready to be measured: its memory is there and touched.</summary>
/// <param name="memory">Released with the trial.</param>
internal sealed class Trial(IDisposable memory) : IDisposable
{
    /// <summary>NBit first, then the peer that it is compared with.</summary>
    public required IReadOnlyList<Contender> Contenders { get; init; }

    /// <summary>The limits that NBit's way is held against.</summary>
    public IReadOnlyList<Limit> Limits { get; init; } = [];

    /// <summary>What a contender does in the seconds that it returns, as the family's unit counts it.</summary>
    public double Work { get; init; } = 1;

    public void Dispose() => memory.Dispose();
}
