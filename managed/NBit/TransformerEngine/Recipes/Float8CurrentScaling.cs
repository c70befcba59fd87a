namespace NBit.TransformerEngine;

/// <summary>One scale a tensor, from the tensor itself (Transformer Engine's <c>Float8CurrentScaling</c>).</summary>
/// <remarks>
/// <c>scale = maximum of the format / amax</c>; 1 where the amax is 0, infinite or NaN. NaN elements are left out of the
/// amax. Nothing is kept between steps.
/// </remarks>
public sealed record Float8CurrentScaling : Float8Recipe
{
    /// <summary>Creates the recipe.</summary>
    /// <param name="format">The codes.</param>
    /// <param name="usePowerOf2Scales">Whether scales are rounded down to powers of two.</param>
    /// <param name="amaxEpsilon">The least amax, 0 or more.</param>
    /// <exception cref="ArgumentException">The format is E5M2, or the epsilon negative or not finite.</exception>
    public Float8CurrentScaling(
        Float8Format format = Float8Format.Hybrid,
        bool usePowerOf2Scales = false,
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
