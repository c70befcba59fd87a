namespace NBit.TransformerEngine;

/// <summary>Checks of the settings of recipes.</summary>
internal static class RecipeArguments
{
    /// <exception cref="ArgumentException">No recipe trains with it.</exception>
    public static Float8Format Format(Float8Format format) =>
        format switch
        {
            Float8Format.E4M3 or Float8Format.Hybrid => format,
            Float8Format.E5M2 => throw new ArgumentException(
                "Pure E5M2 training is not supported: its 2 bits of mantissa are for gradients. Use "
                    + $"{nameof(Float8Format)}.{nameof(Float8Format.Hybrid)} (E4M3 forward, E5M2 for gradients) or "
                    + $"{nameof(Float8Format)}.{nameof(Float8Format.E4M3)}.",
                nameof(format)
            ),
            _ => throw new ArgumentException(
                $"the format is {format}; allowed are {nameof(Float8Format.Hybrid)} and {nameof(Float8Format.E4M3)}",
                nameof(format)
            ),
        };

    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public static int HistoryLength(int amaxHistoryLength) =>
        amaxHistoryLength >= 1
            ? amaxHistoryLength
            : throw new ArgumentOutOfRangeException(
                nameof(amaxHistoryLength),
                amaxHistoryLength,
                "allowed are 1 (the newest amax alone) and above"
            );

    /// <exception cref="ArgumentException">It is none of the kinds, or the recipe takes none.</exception>
    public static BackwardOverride BackwardOverride(BackwardOverride backwardOverride, Float8Recipe recipe)
    {
        if (!Enum.IsDefined(backwardOverride))
        {
            throw new ArgumentException(
                $"the backward override is {backwardOverride}; allowed are "
                    + string.Join(", ", Enum.GetNames<BackwardOverride>()),
                nameof(backwardOverride)
            );
        }

        return recipe.IsDelayed && backwardOverride != TransformerEngine.BackwardOverride.None
            ? throw new ArgumentException(
                $"Delayed scaling only supports no backward override, not {backwardOverride}: use another recipe, such as "
                    + nameof(Float8CurrentScaling),
                nameof(backwardOverride)
            )
            : backwardOverride;
    }

    /// <exception cref="ArgumentOutOfRangeException">It is negative or not finite.</exception>
    public static float Epsilon(float amaxEpsilon) =>
        float.IsFinite(amaxEpsilon) && amaxEpsilon >= 0
            ? amaxEpsilon
            : throw new ArgumentOutOfRangeException(
                nameof(amaxEpsilon),
                amaxEpsilon,
                "allowed are 0 (no least amax) and finite numbers above"
            );
}
