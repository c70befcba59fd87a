using System.Diagnostics;

namespace NBit.Benchmarks.Measurement;

/// <summary>Times calls.</summary>
internal static class Clock
{
    /// <summary>The seconds that a call takes, as the mean of several in a row.</summary>
    public static double Seconds(Action call, int calls = 1)
    {
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < calls; i++)
        {
            call();
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }
}
