namespace NBit.TransformerEngine;

/// <summary>
/// One scale for every 128 elements of inputs and gradients, and for 128 x 128 elements of weights (arXiv:2412.19437;
/// Transformer Engine's <c>Float8BlockScaling</c>).
/// </summary>
/// <remarks>Scales follow the rule of <see cref="Float8CurrentScaling" /> in each block.</remarks>
public sealed record Float8BlockScaling : Float8Recipe
{
    /// <summary>Creates the recipe.</summary>
    /// <param name="format">The codes.</param>
    /// <param name="usePowerOf2Scales">Whether scales are rounded down to powers of two.</param>
    /// <param name="amaxEpsilon">The least amax, 0 or more.</param>
    /// <exception cref="ArgumentException">The format is E5M2, or the epsilon negative or not finite.</exception>
    public Float8BlockScaling(
        Float8Format format = Float8Format.E4M3,
        bool usePowerOf2Scales = true,
        float amaxEpsilon = 0
    )
        : base(format)
    {
        UsePowerOf2Scales = usePowerOf2Scales;
        AmaxEpsilon = amaxEpsilon;
    }

    /// <summary>Whether scales are rounded down to powers of two.</summary>
    public bool UsePowerOf2Scales { get; init; }

    /// <summary>The least amax.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative or not finite.</exception>
    public float AmaxEpsilon
    {
        get;
        init => field = RecipeArguments.Epsilon(value);
    }
}
