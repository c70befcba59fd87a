namespace NBit.TransformerEngine;

/// <summary>In what the gradients of linear layers are computed where it is not 8 bits (Transformer Engine's
/// <c>backward_override</c>).</summary>
public enum BackwardOverride
{
    /// <summary>In 8 bits, as the recipe says.</summary>
    None,

    /// <summary>In the dtype of activations, from inputs and weights as they were before they were cast, which are kept.
    /// (Weights that are codes alone are dequantized.)</summary>
    HighPrecision,

    /// <summary>In the dtype of activations, from inputs and weights that are dequantized: codes are kept.</summary>
    Dequantized,
}
