using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>A linear layer that multiplies in 8 bits inside <see cref="Float8.Autocast" /> (Transformer Engine's
/// <c>Linear</c>).</summary>
/// <remarks>
/// <para>
/// Input and weight are cast as the recipe says, and in the backward pass the gradient of the output; sums are float32,
/// rounded once. Codes are kept for the backward pass, in place of the input. Any sizes work. Outside of a region it is
/// libtorch's linear layer.
/// </para>
/// <para>
/// Results have the dtype of autocast where it is on, else of the input, which must be the parameters'. The bias is
/// rounded to it, and to bfloat16 for float32. Its gradient is the sum of the unquantized gradient.
/// </para>
/// </remarks>
public sealed class Linear : nn.Module<Tensor, Tensor>, IFloat8Module, IProjection
{
    private readonly Float8State _state = new(products: 1);
    private readonly LinearParameters _linear;

    /// <summary>Creates a layer.</summary>
    /// <param name="inFeatures">The number of inputs, 1 or more.</param>
    /// <param name="outFeatures">The number of outputs, 1 or more.</param>
    /// <param name="hasBias">Whether there is a bias; it begins as 0.</param>
    /// <param name="initMethod">Fills the weight [out, in] in place; null for numbers of N(0, 0.023).</param>
    /// <param name="dtype">float32, float16 or bfloat16; null for the default dtype.</param>
    /// <param name="fuseWeightGradientAccumulation">Whether the gradient of the weight goes into
    /// <see cref="MainGradient" />.</param>
    /// <param name="returnBias">Whether the bias is not added, and returned by <see cref="ForwardParts" />.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no input or no output.</exception>
    public Linear(
        long inFeatures,
        long outFeatures,
        bool hasBias = true,
        Action<Tensor>? initMethod = null,
        ScalarType? dtype = null,
        bool fuseWeightGradientAccumulation = false,
        bool returnBias = false
    )
        : base(nameof(Linear))
    {
        (InFeatures, OutFeatures) = (inFeatures, outFeatures);
        (FuseWeightGradientAccumulation, ReturnBias) = (fuseWeightGradientAccumulation, returnBias);
        _linear = new(this, _state, inFeatures, outFeatures, hasBias, split: null, initMethod, dtype);
    }

    /// <summary>The weight [out, in]; codes where the layer was made inside of <see cref="Float8.ModelInit" />.</summary>
    public Parameter weight
    {
        get => get_parameter(nameof(weight))!;
        private set => Succeed(nameof(weight), value); // by Module.to(), through reflection
    }

    /// <summary>The bias [out], or null.</summary>
    public Parameter? bias
    {
        get => get_parameter(nameof(bias));
        private set => Succeed(nameof(bias), value); // by Module.to(), through reflection
    }

    /// <summary>The number of inputs.</summary>
    public long InFeatures { get; }

    /// <summary>The number of outputs.</summary>
    public long OutFeatures { get; }

    /// <summary>Whether the gradient of the weight goes into <see cref="MainGradient" />, and not into its own
    /// gradient.</summary>
    public bool FuseWeightGradientAccumulation { get; }

    /// <summary>Whether the bias is not added, and returned by <see cref="ForwardParts" />.</summary>
    public bool ReturnBias { get; }

    /// <summary>
    /// float32, float16 or bfloat16 [out, in], of the caller: what weight gradients are added to inside regions with
    /// <see cref="FuseWeightGradientAccumulation" />, before they are rounded to its dtype. The first microbatch of
    /// several overwrites it.
    /// </summary>
    public Tensor? MainGradient { get; set; }

    Float8State IFloat8Module.State => _state;

    /// <summary>The layer.</summary>
    /// <param name="input">[..., in].</param>
    /// <returns>[..., out].</returns>
    public override Tensor forward(Tensor input) => forward(input, isFirstMicrobatch: null);

    /// <summary>The layer, with a weight that several microbatches share.</summary>
    /// <param name="input">[..., in].</param>
    /// <param name="isFirstMicrobatch">True where the weight has changed: it is cast, and its codes are cached. False
    /// to take those codes; the scale of the weight does not move on then. Null to cast the weight for this pass
    /// alone.</param>
    /// <returns>[..., out].</returns>
    /// <exception cref="ArgumentException">A dtype, device or size does not fit.</exception>
    /// <exception cref="InvalidOperationException">The weight's gradient has no <see cref="MainGradient" /> to go to,
    /// or the layer returns its bias.</exception>
    public Tensor forward(Tensor input, bool? isFirstMicrobatch)
    {
        ModuleOutput.CheckSingle(this, ReturnBias);
        return ForwardParts(input, isFirstMicrobatch).Output;
    }

    /// <summary>The layer, with the bias beside the output where <see cref="ReturnBias" /> is on.</summary>
    /// <param name="input">[..., in].</param>
    /// <param name="isFirstMicrobatch">As in <see cref="forward(Tensor, bool?)" />.</param>
    /// <returns>[..., out], and the bias in its dtype.</returns>
    /// <exception cref="ArgumentException">A dtype, device or size does not fit.</exception>
    /// <exception cref="InvalidOperationException">The weight's gradient has no <see cref="MainGradient" /> to go
    /// to.</exception>
    public ModuleOutput ForwardParts(Tensor input, bool? isFirstMicrobatch = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        var target = MainGradients.Check(
            FuseWeightGradientAccumulation,
            MainGradient,
            nameof(MainGradient),
            [OutFeatures, InFeatures]
        );
        using var scope = NewDisposeScope();
        var (product, added) = (_linear.Weight, ReturnBias ? null : bias);
        var output =
            Float8Linear.Forward(_state, input, product, added, isFirstMicrobatch, target)
            ?? nn.functional.linear(input, product.For(input.dtype), added);
        return new ModuleOutput(output, ReturnBias ? bias?.to(output.dtype) : null).MoveToOuterDisposeScope();
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _state.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Succeed(string name, Parameter? next)
    {
        _ = ModuleParameters.Succeed(get_parameter(name), next);
        ConditionallyRegisterParameter(name, next);
    }
}
