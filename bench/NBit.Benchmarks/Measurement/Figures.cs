namespace NBit.Benchmarks.Measurement;

/// <summary>What the rounds of a trial gave. Ratios and shares are taken in each round, then their median.</summary>
/// <param name="trial">What was measured.</param>
/// <param name="seconds">For each contender, the seconds of each round.</param>
/// <param name="rates">For each limit, its rate in each round.</param>
internal sealed class Figures(Trial trial, double[][] seconds, double[][] rates)
{
    /// <summary>How many times as fast as the peer NBit is.</summary>
    public Spread Speed => Compare((nbit, peer) => peer / nbit);

    /// <summary>The time that NBit takes beyond the peer's, as a part of the peer's.</summary>
    public Spread MoreTime => Compare((nbit, peer) => (nbit / peer) - 1);

    /// <summary>The seconds that NBit takes beyond the peer's.</summary>
    public Spread MoreSeconds => Compare((nbit, peer) => nbit - peer);

    /// <summary>A contender's figure.</summary>
    public Spread Of(int contender, Unit unit) =>
        Spread.Of(seconds[contender].Select(time => unit.Of(trial.Work, time)));

    /// <summary>The part of a limit that NBit reaches.</summary>
    public Spread Share(string limit)
    {
        var index = trial.Limits.Select(candidate => candidate.Name).ToList().IndexOf(limit);
        return Spread.Of(seconds[0].Zip(rates[index], (time, rate) => trial.Limits[index].Work / time / rate));
    }

    /// <summary>A limit, a second.</summary>
    public Spread Rate(int limit) => Spread.Of(rates[limit]);

    private Spread Compare(Func<double, double, double> compare) => Spread.Of(seconds[0].Zip(seconds[1], compare));
}
