namespace NBit.Precision;

/// <summary>The scope of a mode that changes nothing.</summary>
internal sealed class NoContext : IDisposable
{
    public static NoContext Instance { get; } = new();

    public void Dispose() { }
}
