using System.Diagnostics;

namespace NBit.Benchmarks.Measurement;

/// <summary>
/// Measures contenders and limits in turn. The speed of a shared machine drifts by half within minutes, so only what
/// was measured in the same round is comparable; and as who runs first may find another machine than who runs last,
/// each round begins with another one.
/// </summary>
internal static class Rounds
{
    /// <summary>The fewest rounds whose median says something.</summary>
    public const int Fewest = 10;

    private static readonly TimeSpan WarmUpTime = TimeSpan.FromSeconds(0.4);

    // libtorch's threads spin for milliseconds after their work: without a pause they take time from what comes next.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static Figures Measure(Trial trial, int rounds)
    {
        var contenders = trial.Contenders.Select(contender => contender.Seconds);
        Func<double>[] measures = [.. contenders, .. trial.Limits.Select(limit => limit.Rate)];
        WarmUp(measures);
        var results = measures.Select(_ => new double[rounds]).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var turn = 0; turn < measures.Length; turn++)
            {
                Thread.Sleep(Pause);
                var which = (round + turn) % measures.Length;
                results[which][round] = measures[which]();
            }
        }

        return new Figures(trial, results[..trial.Contenders.Count], results[trial.Contenders.Count..]);
    }

    // Long enough for the runtime to compile anew, with optimizations, what is called often.
    private static void WarmUp(Func<double>[] measures)
    {
        var clock = Stopwatch.StartNew();
        do
        {
            Array.ForEach(measures, measure => measure());
        } while (clock.Elapsed < WarmUpTime);
    }
}
