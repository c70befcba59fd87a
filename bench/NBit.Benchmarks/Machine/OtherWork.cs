using System.Diagnostics;
using System.Globalization;

namespace NBit.Benchmarks.Machine;

/// <summary>
/// What else ran on the machine since an object of this class was made: figures that suffered should say so.
/// </summary>
internal sealed class OtherWork
{
    private const string Statistics = "/proc/stat";
    private const double TicksPerSecond = 100; // USER_HZ

    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly double _others = SecondsOfOthers();

    /// <summary>How many processors were busy for others on average; null where the system does not say.</summary>
    public double? Processors =>
        !File.Exists(Statistics)
            ? null
            : Math.Max(0, (SecondsOfOthers() - _others) / Stopwatch.GetElapsedTime(_start).TotalSeconds);

    // The fields, in ticks over all processors: user, nice, system, idle, waiting, interrupts, soft interrupts, and
    // steal,
    // which is what the host of a virtual machine gave to its other guests (proc(5)).
    private static double SecondsOfOthers()
    {
        if (!File.Exists(Statistics))
        {
            return 0;
        }

        var fields = File.ReadLines(Statistics).First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var busy = ((int[])[1, 2, 3, 6, 7, 8]).Sum(field => double.Parse(fields[field], CultureInfo.InvariantCulture));
        using var self = Process.GetCurrentProcess();
        return (busy / TicksPerSecond) - self.TotalProcessorTime.TotalSeconds;
    }
}
