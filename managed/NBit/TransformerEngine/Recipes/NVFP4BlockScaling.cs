namespace NBit.TransformerEngine;

/// <summary>
/// 4-bit codes (E2M1) with an E4M3 scale for every 16 elements and a float32 one for the tensor (arXiv:2509.25149;
/// Transformer Engine's <c>NVFP4BlockScaling</c>).
/// </summary>
/// <remarks>
/// By default the weight gradient sees inputs and gradients after a random Hadamard transform, gradients are rounded
/// stochastically, and weights have one scale for 16 x 16 elements.
/// </remarks>
public sealed record NVFP4BlockScaling : Float8Recipe
{
    /// <summary>Creates the recipe.</summary>
    /// <param name="disableRandomHadamardTransform">Whether the weight gradient's operands are cast as they are.</param>
    /// <param name="disableStochasticRounding">Whether gradients are rounded to nearest.</param>
    /// <param name="disable2DQuantization">Whether weights get one scale for 16 elements of a row.</param>
    public NVFP4BlockScaling(
        bool disableRandomHadamardTransform = false,
        bool disableStochasticRounding = false,
        bool disable2DQuantization = false
    )
        : base(Float8Format.E4M3)
    {
        DisableRandomHadamardTransform = disableRandomHadamardTransform;
        DisableStochasticRounding = disableStochasticRounding;
        Disable2DQuantization = disable2DQuantization;
    }

    /// <summary>Whether the weight gradient's operands are cast as they are.</summary>
    public bool DisableRandomHadamardTransform { get; init; }

    /// <summary>Whether gradients are rounded to nearest.</summary>
    public bool DisableStochasticRounding { get; init; }

    /// <summary>Whether weights get one scale for 16 elements of a row.</summary>
    public bool Disable2DQuantization { get; init; }
}
