namespace NBit.Tests.Checkpoints;

/// <summary>Watches this process's own memory from when it was made on.</summary>
internal sealed class PeakMemory : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(1);

    private readonly long _before;
    private readonly CancellationTokenSource _end = new();
    private readonly Thread _watch;
    private long _peak;

    public PeakMemory()
    {
        GC.Collect();
        _before = ProcessMemory.AnonymousBytes();
        _watch = new Thread(Watch);
        _watch.Start();
    }

    /// <summary>Ends watching.</summary>
    /// <returns>The most bytes that there were beyond those at the begin.</returns>
    public long Growth()
    {
        Stop();
        return _peak - _before;
    }

    public void Dispose()
    {
        Stop();
        _end.Dispose();
    }

    private void Stop()
    {
        _end.Cancel();
        _watch.Join();
    }

    private void Watch()
    {
        do
        {
            _peak = Math.Max(_peak, ProcessMemory.AnonymousBytes());
        } while (!_end.Token.WaitHandle.WaitOne(Interval));
    }
}
