using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Where a linear product stands among the steps of a module.</summary>
/// <param name="Product">Which product of the module it is.</param>
/// <param name="Dtype">To what its results are rounded, that of activations; its input is cast as it is.</param>
internal sealed record ProductPlace(int Product, ScalarType Dtype)
{
    /// <summary>The dtype in which the next step takes the rounded output, and gives its gradient: float32 for a
    /// gradient that is cast before it is rounded.</summary>
    public ScalarType OutputType { get; init; } = Dtype;

    /// <summary>float32 [1]: the amax of the input for current scaling; null for that of its elements.</summary>
    public Tensor? InputAmax { get; init; }
}
