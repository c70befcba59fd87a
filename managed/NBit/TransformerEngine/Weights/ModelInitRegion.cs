namespace NBit.TransformerEngine;

/// <summary>A region of code in which modules are made with weights that are codes alone, on one thread.</summary>
internal sealed class ModelInitRegion : IDisposable
{
    [ThreadStatic]
    private static ModelInitRegion? _current;

    private readonly ModelInitRegion? _outer = _current;
    private bool _ended;

    /// <summary>Begins a region.</summary>
    /// <param name="recipe">How weights are cast.</param>
    /// <param name="enabled">False for a region in which modules are made as ever.</param>
    /// <param name="preservesInitialValues">Whether what is cast is kept.</param>
    public ModelInitRegion(Float8Recipe recipe, bool enabled, bool preservesInitialValues)
    {
        (Recipe, Enabled, PreservesInitialValues) = (recipe, enabled, preservesInitialValues);
        _current = this;
    }

    /// <summary>The innermost region of this thread if it is enabled; else null.</summary>
    public static ModelInitRegion? Current => _current is { Enabled: true } ? _current : null;

    public Float8Recipe Recipe { get; }

    public bool PreservesInitialValues { get; }

    private bool Enabled { get; }

    /// <exception cref="InvalidOperationException">It is not the innermost region of this thread.</exception>
    public void Dispose()
    {
        if (_ended)
        {
            return;
        }

        if (!ReferenceEquals(_current, this))
        {
            throw new InvalidOperationException(
                "a Float8.ModelInit region ends before one that began inside it, or on another thread: end regions in "
                    + "reverse order where they began, which 'using' does, and do not await inside one"
            );
        }

        _ended = true;
        _current = _outer;
    }
}
