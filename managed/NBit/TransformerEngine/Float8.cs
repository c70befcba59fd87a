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

    /// <summary>
    /// Begins a region in which modules of <see cref="Modules" /> are made with weights that are codes and scales alone
    /// (<c>te.quantized_model_init</c>, formerly <c>te.fp8_model_init</c>).
    /// </summary>
    /// <remarks>
    /// <para>
    /// <c>using (Float8.ModelInit(recipe)) model = new TransformerLayer(...);</c> Weights of linear products are made in
    /// their dtype, cast, and released: what stays is 1 byte an element with one scale a tensor, tile or block, and two
    /// casts where rows and columns are scaled apart (<see cref="MXFP8BlockScaling" /> without 2D quantization,
    /// <see cref="NVFP4BlockScaling" />). Biases and norms stay in floating point. Inside of <see cref="Autocast" />, whose
    /// recipe must be of the same kind, the codes are multiplied as they are; elsewhere they are dequantized for each
    /// product.
    /// </para>
    /// <para>
    /// The parameters are uint8 and frozen, which suits inference and adapters. <see cref="AddMasterWeights" /> makes them
    /// trainable. All is in the state dict; scales are there as bytes, so that <c>Module.to</c> leaves them as they are.
    /// </para>
    /// <para>Regions nest; the inner one holds. Each ends with <see cref="IDisposable.Dispose" />, on the same thread and
    /// in reverse order.</para>
    /// </remarks>
    /// <param name="recipe">How weights are cast, delayed scaling with a scale of 1; null for
    /// <see cref="DelayedScaling" />.</param>
    /// <param name="enabled">False for a region in which modules are made as ever.</param>
    /// <param name="preserveHighPrecisionInitialValue">Whether what is cast is kept, for
    /// <see cref="HighPrecisionInitialValues" /> and master weights.</param>
    /// <returns>Ends the region.</returns>
    public static IDisposable ModelInit(
        Float8Recipe? recipe = null,
        bool enabled = true,
        bool preserveHighPrecisionInitialValue = false
    ) => new ModelInitRegion(recipe ?? new DelayedScaling(), enabled, preserveHighPrecisionInitialValue);

    /// <summary>What weights were before they were cast, where <see cref="ModelInit" /> preserved it
    /// (<c>get_high_precision_init_val</c>).</summary>
    /// <param name="model">The model.</param>
    /// <returns>Tensors [out, in] of the modules' dtype by the names of the model's parameters; empty where nothing is
    /// preserved. They are views, which keep the memory alive until they are disposed.</returns>
    public static IReadOnlyDictionary<string, Tensor> HighPrecisionInitialValues(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return MasterWeights
            .PrimariesIn(model)
            .SelectMany(entry => entry.Weight.InitialValues().Select(value => (entry.Prefix + value.Name, value.Value)))
            .ToDictionary(StringComparer.Ordinal);
    }

    /// <summary>Forgets what <see cref="ModelInit" /> preserved (<c>clear_high_precision_init_val</c>).</summary>
    /// <param name="model">The model.</param>
    public static void ClearHighPrecisionInitialValues(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        foreach (var (_, weight) in MasterWeights.PrimariesIn(model))
        {
            weight.ClearInitialValue();
        }
    }

    /// <summary>Makes weights that are codes alone trainable: each gets a master in floating point, as an optimizer with
    /// master weights holds it for Transformer Engine.</summary>
    /// <remarks>
    /// A master is the parameter <c>NAME_master</c> of its module, so that optimizers, schedulers, checkpoints and
    /// <c>named_parameters</c> find it. It begins as the preserved initial value, which is forgotten then, else as what the
    /// codes stand for. Gradients are its own and of its dtype; each forward pass casts the codes from it anew, as those of
    /// an ordinary weight (not where <c>isFirstMicrobatch</c> is false). Weights that have a master keep it.
    /// </remarks>
    /// <param name="model">The model.</param>
    /// <param name="dtype">float32, or bfloat16 or float16.</param>
    /// <exception cref="ArgumentException">The dtype is another one, or no weight of the model is codes alone.</exception>
    public static void AddMasterWeights(nn.Module model, ScalarType dtype = ScalarType.Float32)
    {
        ArgumentNullException.ThrowIfNull(model);
        MasterWeights.Add(model, dtype);
    }

    /// <summary>Casts the masters of weights for the last time and removes them, for a model that is trained.</summary>
    /// <param name="model">The model; optimizers that hold its masters are of no use afterwards.</param>
    /// <exception cref="ArgumentException">No weight of the model is codes alone.</exception>
    public static void RemoveMasterWeights(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        MasterWeights.Remove(model);
    }

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
