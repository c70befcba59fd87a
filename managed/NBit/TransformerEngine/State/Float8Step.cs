namespace NBit.TransformerEngine;

/// <summary>What the regions inside an outermost one share: the modules that ran, whose scales move on together.</summary>
internal sealed class Float8Step
{
    private readonly Dictionary<Float8State, DelayedScaling> _states = new(ReferenceEqualityComparer.Instance);
    private bool _hasFirst;

    /// <summary>Notes a module that runs with delayed scaling.</summary>
    public void Add(Float8State state, DelayedScaling recipe) => _states[state] = recipe;

    /// <summary>Whether a module with gradients is the first one of the step, and so the last in the backward
    /// pass.</summary>
    public bool ClaimFirst()
    {
        var isFirst = !_hasFirst;
        _hasFirst = true;
        return isFirst;
    }

    /// <summary>Moves the scales of forward passes on.</summary>
    public void UpdateForward()
    {
        foreach (var (state, recipe) in _states)
        {
            state.Forward?.Update(recipe, recipe.ForwardType);
        }
    }

    /// <summary>Moves the scales of backward passes on.</summary>
    public void UpdateBackward()
    {
        foreach (var (state, recipe) in _states)
        {
            state.Backward?.Update(recipe, recipe.BackwardType);
        }
    }
}
