using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>What the gradients of a linear layer are for. It holds no tensor of the layer, which would live as long as
/// the graph does.</summary>
internal sealed record GradientTargets
{
    /// <param name="dtype">The dtype of activations.</param>
    /// <param name="input">[..., in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    public GradientTargets(ScalarType dtype, Tensor input, ProductWeight weight, Tensor? bias)
    {
        (Dtype, InputShape, InputType) = (dtype, input.shape, input.dtype);
        Parts = [.. weight.Parts.Select(part => (part.shape[0], part.dtype))];
        WeightType = weight.Primary is not null && Parts is [var master] ? master.Type : dtype;
        BiasType = bias is { requires_grad: true } ? bias.dtype : null;
    }

    /// <summary>The dtype of activations.</summary>
    public ScalarType Dtype { get; }

    /// <summary>The shape of the input.</summary>
    public IReadOnlyList<long> InputShape { get; }

    /// <summary>The dtype of the input.</summary>
    public ScalarType InputType { get; }

    /// <summary>The outputs and dtypes of the parts of the weight.</summary>
    public IReadOnlyList<(long Size, ScalarType Type)> Parts { get; }

    /// <summary>To what the product that gives the weight's gradient is rounded: for a master to its own
    /// dtype.</summary>
    public ScalarType WeightType { get; }

    /// <summary>The dtype of the bias; null where it gets no gradient.</summary>
    public ScalarType? BiasType { get; }

    /// <summary>The tensor of the caller that the weight's gradient goes into; null for the weight itself.</summary>
    public Tensor? MainGradient { get; init; }

    /// <summary>Whether it overwrites what is in there; else it is added.</summary>
    public bool Overwrites { get; init; }
}
