namespace NBit.HardeningTests.Memory;

/// <summary>A call that is made again and again, and one like it that is refused.</summary>
/// <param name="call">Leaves nothing behind.</param>
/// <param name="refused">Throws, and leaves nothing behind.</param>
/// <param name="owned">What both work on.</param>
internal sealed class Work(Action call, Action refused, params IDisposable[] owned) : IDisposable
{
    /// <summary>Makes the call.</summary>
    public void Call() => call();

    /// <summary>Makes the call that is refused.</summary>
    /// <exception cref="AssertionException">It was not.</exception>
    public void Refuse() => Assert.Catch(() => refused());

    public void Dispose() => Array.ForEach(owned, one => one.Dispose());
}
