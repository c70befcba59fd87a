namespace NBit.TransformerEngine;

/// <summary>Which 8-bit floating-point codes a recipe uses (arXiv:2209.05433; Transformer Engine's <c>Format</c>).</summary>
public enum Float8Format
{
    /// <summary>E4M3 throughout: 4 bits of exponent, 3 of mantissa, up to 448.</summary>
    E4M3,

    /// <summary>E5M2 throughout: 5 bits of exponent, 2 of mantissa, up to 57344. No recipe trains with it.</summary>
    E5M2,

    /// <summary>E4M3 in the forward pass, E5M2 for the gradients of outputs.</summary>
    Hybrid,
}
