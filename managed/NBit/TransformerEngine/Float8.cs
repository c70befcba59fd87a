using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Training in 8 bits as Transformer Engine 2.20 does it.</summary>
public static class Float8
{
    /// <summary>The bytes of codes and scales that graphs keep for their backward passes now, of weights too.</summary>
    public static long BytesKeptForBackward => ScaledMatrix.BytesKept;

    /// <summary>
    /// Begins a region in which NBit's Float8 layers, and linear layers that
    /// <see cref="Precision.TransformerEnginePrecision" /> converted, multiply in 8 bits (<c>te.autocast</c>).
    /// </summary>
    /// <remarks>
    /// <para>
    /// <c>using (Float8.Autocast(new DelayedScaling(amaxHistoryLength: 16))) y = model.forward(x);</c> The region ends with
    /// <see cref="IDisposable.Dispose" />, on the same thread and in reverse order; the backward pass comes after it. Each
    /// call begins another region: what it returns cannot be entered again.
    /// </para>
    /// <para>
    /// Regions nest: inside, the inner settings hold. With <see cref="DelayedScaling" /> the outermost region, where it is
    /// enabled and ends with gradients on, moves the scales of all modules that ran in it on; the scales of gradients move
    /// on where the backward pass of the first of those modules with gradients ends. Under no_grad amaxes are still noted
    /// and take part in the next training step. Modules read the recipe in each forward pass: another length keeps the
    /// first rows of histories, another kind of recipe begins anew with a warning. A module that runs twice in a region
    /// notes the larger amax.
    /// </para>
    /// </remarks>
    /// <param name="recipe">How operands are scaled and cast; null for <see cref="DelayedScaling" />.</param>
    /// <param name="enabled">False for a region in which layers multiply in their own precision.</param>
    /// <param name="calibrating">Whether layers that multiply in their own precision set their newest amaxes for delayed
    /// scaling, so that they can go on in 8 bits later.</param>
    /// <returns>Ends the region.</returns>
    public static IDisposable Autocast(Float8Recipe? recipe = null, bool enabled = true, bool calibrating = false) =>
        new Float8Region(recipe ?? new DelayedScaling(), enabled, calibrating);

    /// <summary>The scales of delayed scaling that a module has now, to watch or draw.</summary>
    /// <param name="module">A module of NBit's, or a linear layer that
    /// <see cref="Precision.TransformerEnginePrecision" /> converted.</param>
    /// <returns>A copy; null where there are none, or none yet.</returns>
    public static Float8Scales? ScalesOf(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        return Float8States.Of(module) is { Forward: { } forward, Backward: { } backward }
            ? new(Float8DirectionScales.Of(forward), Float8DirectionScales.Of(backward))
            : null;
    }

    /// <summary>
    /// Runs a function without keeping what its backward pass needs: it runs again there, and casts as the first time
    /// (activation recomputation, <c>te.checkpoint</c>).
    /// </summary>
    /// <param name="function">The function; it runs under the same regions of <see cref="Autocast" /> and
    /// <see cref="Amp.Autocast" />, and with the same random numbers, each time. Gradients of parameters in it are added to
    /// their <c>grad</c>.</param>
    /// <param name="input">Its input.</param>
    /// <returns>Its output.</returns>
    public static Tensor Checkpoint(Func<Tensor, Tensor> function, Tensor input)
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(input);
        return is_grad_enabled() ? new CheckpointedFunction(function, input).Run(input) : function(input);
    }
}
