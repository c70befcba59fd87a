namespace NBit.TransformerEngine;

/// <summary>One scale a tensor, from the amaxes of earlier steps (Transformer Engine's <c>DelayedScaling</c>).</summary>
/// <remarks>
/// <para>
/// A tensor is cast with the scale that its history gave, so that it is read once. Where the outermost region of
/// <see cref="Float8.Autocast" /> ends with gradients on (for gradients of outputs, where the backward pass of the module
/// that ran first ends), the newest amax enters the history and
/// <c>scale = (maximum of the format / 2^margin) / amax</c>.
/// </para>
/// <para>
/// NaN are left out of an amax. An amax of 0, infinity or NaN leaves the scale as it is: with
/// <see cref="AmaxComputeAlgorithm.Max" /> an infinite one freezes it until it has left the history. A tensor whose newest
/// amax is 0 was not used: neither its history nor its scale changes. Codes saturate, infinities too; NaN stay NaN.
/// </para>
/// <para>With a function of one's own all histories move in every step, and NaN win a maximum.</para>
/// </remarks>
public sealed record DelayedScaling : Float8Recipe
{
    /// <summary>Creates the recipe.</summary>
    /// <param name="margin">The scale is divided by 2^margin.</param>
    /// <param name="format">The codes.</param>
    /// <param name="amaxHistoryLength">How many steps the history holds, 1 or more.</param>
    /// <param name="amaxComputeAlgorithm">The amax of a history; null for <see cref="AmaxComputeAlgorithm.Max" />.</param>
    /// <param name="scaling">Computes the scales; null for the usual rule.</param>
    /// <exception cref="ArgumentException">The format is E5M2, or the length is below 1.</exception>
    public DelayedScaling(
        int margin = 0,
        Float8Format format = Float8Format.Hybrid,
        int amaxHistoryLength = 1024,
        AmaxComputeAlgorithm? amaxComputeAlgorithm = null,
        ScalingFunction? scaling = null
    )
        : base(format)
    {
        Margin = margin;
        AmaxHistoryLength = amaxHistoryLength;
        AmaxComputeAlgorithm = amaxComputeAlgorithm ?? AmaxComputeAlgorithm.Max;
        Scaling = scaling;
    }

    /// <summary>The scale is divided by 2^Margin.</summary>
    public int Margin { get; init; }

    /// <summary>How many steps the history holds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int AmaxHistoryLength
    {
        get;
        init => field = RecipeArguments.HistoryLength(value);
    }

    /// <summary>The amax of a history.</summary>
    public AmaxComputeAlgorithm AmaxComputeAlgorithm { get; init; }

    /// <summary>Computes the scales; null for the usual rule.</summary>
    public ScalingFunction? Scaling { get; init; }

    /// <summary>Whether a function of the user's takes part in the update.</summary>
    internal bool IsCustom => AmaxComputeAlgorithm.Function is not null || Scaling is not null;
}
