using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>A <see cref="Linear" /> whose weight and bias are several parameters, one for each part of its outputs
/// (Transformer Engine's <c>Linear</c> with <c>parameters_split</c>).</summary>
/// <remarks>They are one operand of one product: their rows share a scale, and a cast.</remarks>
public sealed class SplitLinear : Float8Module, IProjection
{
    private readonly LinearParameters _linear;

    /// <summary>Creates a layer.</summary>
    /// <param name="inFeatures">The number of inputs, 1 or more.</param>
    /// <param name="parametersSplit">The names and numbers of outputs of the parts, in order. The parameters are
    /// <c>NAME_weight</c> [outputs, in] and <c>NAME_bias</c> [outputs].</param>
    /// <param name="hasBias">Whether there are biases; they begin as 0.</param>
    /// <param name="initMethod">Fills each weight in place; null for numbers of N(0, 0.023).</param>
    /// <param name="dtype">float32, float16 or bfloat16; null for the default dtype.</param>
    /// <exception cref="ArgumentException">A part has no outputs, or no name of its own.</exception>
    public SplitLinear(
        long inFeatures,
        IReadOnlyList<(string Name, long Size)> parametersSplit,
        bool hasBias = true,
        Action<Tensor>? initMethod = null,
        ScalarType? dtype = null
    )
        : base(nameof(SplitLinear), products: 1)
    {
        ArgumentNullException.ThrowIfNull(parametersSplit);
        (InFeatures, OutFeatures) = (inFeatures, parametersSplit.Sum(part => part.Size));
        _linear = new(this, State, inFeatures, OutFeatures, hasBias, parametersSplit, initMethod, dtype);
    }

    /// <summary>The number of inputs.</summary>
    public long InFeatures { get; }

    /// <summary>The number of outputs of all parts.</summary>
    public long OutFeatures { get; }

    /// <inheritdoc />
    public override Tensor forward(Tensor input, bool? isFirstMicrobatch)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var scope = NewDisposeScope();
        var (weight, bias) = (_linear.Weight, _linear.Bias);
        var output =
            Float8Linear.Forward(State, input, weight, bias, isFirstMicrobatch)
            ?? nn.functional.linear(input, weight.For(input.dtype), bias);
        return output.MoveToOuterDisposeScope();
    }

    ModuleOutput IProjection.ForwardParts(Tensor input, bool? isFirstMicrobatch) =>
        new(forward(input, isFirstMicrobatch));
}
