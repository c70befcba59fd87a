namespace NBit.TransformerEngine;

/// <summary>What the regions inside an outermost one share: the modules that ran, whose scales move on together.</summary>
internal sealed class Float8Step
{
    private readonly Dictionary<Float8State, DelayedScaling> _forward = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Float8State, DelayedScaling> _backward = new(ReferenceEqualityComparer.Instance);
    private bool _hasFirst;

    /// <summary>Notes a module that runs with delayed scaling.</summary>
    /// <param name="state">That of the module.</param>
    /// <param name="recipe">The recipe it runs under.</param>
    /// <param name="hasBackward">Whether the backward pass of this step comes to it; not where a checkpointed function runs
    /// for the first time.</param>
    public void Add(Float8State state, DelayedScaling recipe, bool hasBackward)
    {
        _forward[state] = recipe;
        if (hasBackward)
        {
            _backward[state] = recipe;
        }
    }

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
        foreach (var (state, recipe) in _forward)
        {
            state.Forward?.Update(recipe, recipe.ForwardType);
        }
    }

    /// <summary>Moves the scales of backward passes on.</summary>
    public void UpdateBackward()
    {
        foreach (var (state, recipe) in _backward)
        {
            state.Backward?.Update(recipe, recipe.BackwardType);
        }
    }
}
