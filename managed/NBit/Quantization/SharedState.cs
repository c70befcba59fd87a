namespace NBit.Quantization;

/// <summary>What linear weights hold besides their elements: weights that TorchSharp's <c>Module.to</c> makes of one another
/// share it, and it is released with the last.</summary>
internal abstract class SharedState : IDisposable
{
    private int _owners = 1;

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _owners) == 0)
        {
            Release();
        }
    }

    /// <summary>The state for one more weight.</summary>
    protected void AddOwner() => Interlocked.Increment(ref _owners);

    /// <summary>Releases what the state holds.</summary>
    protected abstract void Release();
}
