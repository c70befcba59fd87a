using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>A region of code in which layers multiply in 8 bits, on one thread.</summary>
internal sealed class Float8Region : IDisposable
{
    [ThreadStatic]
    private static Float8Region? _current;

    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly Float8Region? _outer = _current;
    private readonly bool _updates;
    private bool _ended;

    /// <summary>Begins a region.</summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="enabled">Whether layers multiply in 8 bits.</param>
    /// <param name="calibrating">Whether layers that do not still note their amaxes.</param>
    /// <param name="updates">Whether scales move on where it ends as the outermost one.</param>
    public Float8Region(Float8Recipe recipe, bool enabled, bool calibrating, bool updates = true)
    {
        (Recipe, Enabled, Calibrating, _updates) = (recipe, enabled, calibrating, updates);
        Step = _outer?.Step ?? new();
        _current = this;
    }

    /// <summary>The innermost region of this thread; null outside of one.</summary>
    public static Float8Region? Current => _current;

    public Float8Recipe Recipe { get; }

    public bool Enabled { get; }

    public bool Calibrating { get; }

    public Float8Step Step { get; }

    /// <summary>Ends the region; the outermost one moves the scales on, if gradients are on.</summary>
    /// <exception cref="InvalidOperationException">It is not the innermost region of this thread.</exception>
    public void Dispose()
    {
        if (_ended)
        {
            return;
        }

        if (_thread != Environment.CurrentManagedThreadId)
        {
            throw new InvalidOperationException(
                $"a Float8.Autocast region began on thread {_thread} and cannot end on thread "
                    + $"{Environment.CurrentManagedThreadId}: it is a state of a thread. Do not await inside a region."
            );
        }

        if (!ReferenceEquals(_current, this))
        {
            throw new InvalidOperationException(
                "a Float8.Autocast region ends before one that began inside it: dispose regions in reverse order, which "
                    + "'using' does, and begin a new one each time"
            );
        }

        _ended = true;
        _current = _outer;
        if (_outer is null && Enabled && _updates && is_grad_enabled())
        {
            Step.UpdateForward();
        }
    }
}
