namespace NBit.TransformerEngine;

/// <summary>
/// The scales with which a checkpointed function ran first, for its second run to cast alike (Transformer Engine's
/// stash of FP8 metadata).
/// </summary>
internal sealed class Recomputation : IDisposable
{
    [ThreadStatic]
    private static Recomputation? _current;

    private readonly Dictionary<Float8State, Queue<DelayedScales>> _scales = new(ReferenceEqualityComparer.Instance);

    /// <summary>That of the checkpointed function that runs; null where none does.</summary>
    public static Recomputation? Current => _current;

    /// <summary>Whether it runs again, for its gradients.</summary>
    public bool IsSecondRun { get; private set; }

    /// <summary>Runs the function, for the first or the second time.</summary>
    public T Run<T>(bool isSecondRun, Func<T> function)
    {
        var outer = _current;
        (_current, IsSecondRun) = (this, isSecondRun);
        try
        {
            return function();
        }
        finally
        {
            _current = outer;
        }
    }

    /// <summary>The scales that a module casts with: its own, of which a copy is kept, or in the second run the copy,
    /// whose history nobody reads.</summary>
    public DelayedScales ScalesOf(Float8State state)
    {
        if (!_scales.TryGetValue(state, out var stash))
        {
            _scales[state] = stash = new();
        }

        if (!IsSecondRun)
        {
            stash.Enqueue(state.Forward!.Clone());
            return state.Forward;
        }

        var scales = stash.Dequeue();
        stash.Enqueue(scales); // a backward pass may come again
        return scales;
    }

    public void Dispose()
    {
        foreach (var scales in _scales.Values.SelectMany(stash => stash))
        {
            scales.Dispose();
        }

        _scales.Clear();
    }
}
