namespace NBit.TransformerEngine;

/// <summary>
/// One power of two for every 32 elements (OCP Microscaling v1.0; Transformer Engine's <c>MXFP8BlockScaling</c>, which
/// rounds scales up, so that no block saturates).
/// </summary>
/// <remarks>
/// Blocks lie along the dimension that a product sums over, so that an operand of two products is cast twice. A block with
/// an infinity gets the largest scale; NaN elements do not affect it.
/// </remarks>
public sealed record MXFP8BlockScaling : Float8Recipe
{
    /// <summary>Creates the recipe.</summary>
    /// <param name="format">The codes.</param>
    /// <param name="enable2DQuantization">Whether weights get one scale for 32 x 32 elements, which suits both
    /// products.</param>
    /// <exception cref="ArgumentException">The format is E5M2.</exception>
    public MXFP8BlockScaling(Float8Format format = Float8Format.E4M3, bool enable2DQuantization = false)
        : base(format) => Enable2DQuantization = enable2DQuantization;

    /// <summary>Whether weights get one scale for 32 x 32 elements.</summary>
    public bool Enable2DQuantization { get; init; }
}
