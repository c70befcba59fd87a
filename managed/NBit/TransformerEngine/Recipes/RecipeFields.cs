using System.Text.Json.Nodes;

namespace NBit.TransformerEngine;

/// <summary>The recipes by Transformer Engine's names, with their settings.</summary>
internal static class RecipeFields
{
    private static readonly RecipeField Format = RecipeField.Of<Float8Recipe>(
        "fp8_format",
        recipe => FormatName(recipe.Format),
        (recipe, value) => recipe with { Format = FormatNamed(value.GetValue<string>()) }
    );

    private static readonly RecipeField Override = RecipeField.Of<Float8Recipe>(
        "backward_override",
        recipe => OverrideName(recipe.BackwardOverride),
        (recipe, value) => recipe with { BackwardOverride = OverrideNamed(value.GetValue<string>()) }
    );

    /// <summary>A recipe with its usual settings, and the settings, by the recipe's name.</summary>
    public static OrderedDictionary<string, (Float8Recipe Usual, RecipeField[] Fields)> All { get; } =
        new(StringComparer.Ordinal)
        {
            [nameof(DelayedScaling)] = (
                new DelayedScaling(),
                [
                    RecipeField.Of<DelayedScaling>(
                        "margin",
                        recipe => recipe.Margin,
                        (recipe, value) => recipe with { Margin = value.GetValue<int>() }
                    ),
                    Format,
                    RecipeField.Of<DelayedScaling>(
                        "amax_history_len",
                        recipe => recipe.AmaxHistoryLength,
                        (recipe, value) => recipe with { AmaxHistoryLength = value.GetValue<int>() }
                    ),
                    RecipeField.Of<DelayedScaling>(
                        "amax_compute_algo",
                        recipe => recipe.AmaxComputeAlgorithm.Name!,
                        (recipe, value) =>
                            recipe with
                            {
                                AmaxComputeAlgorithm = AlgorithmNamed(value.GetValue<string>()),
                            }
                    ),
                ]
            ),
            [nameof(Float8CurrentScaling)] = (
                new Float8CurrentScaling(),
                [
                    Format,
                    RecipeField.Of<Float8CurrentScaling>(
                        "use_power_2_scales",
                        recipe => recipe.UsePowerOf2Scales,
                        (recipe, value) => recipe with { UsePowerOf2Scales = value.GetValue<bool>() }
                    ),
                    RecipeField.Of<Float8CurrentScaling>(
                        "amax_epsilon",
                        recipe => recipe.AmaxEpsilon,
                        (recipe, value) => recipe with { AmaxEpsilon = value.GetValue<float>() }
                    ),
                    Override,
                ]
            ),
            [nameof(MXFP8BlockScaling)] = (
                new MXFP8BlockScaling(),
                [
                    Format,
                    RecipeField.Of<MXFP8BlockScaling>(
                        "enable_2d_quantization",
                        recipe => recipe.Enable2DQuantization,
                        (recipe, value) => recipe with { Enable2DQuantization = value.GetValue<bool>() }
                    ),
                    Override,
                ]
            ),
            [nameof(Float8BlockScaling)] = (
                new Float8BlockScaling(),
                [
                    Format,
                    RecipeField.Of<Float8BlockScaling>(
                        "use_power_2_scales",
                        recipe => recipe.UsePowerOf2Scales,
                        (recipe, value) => recipe with { UsePowerOf2Scales = value.GetValue<bool>() }
                    ),
                    RecipeField.Of<Float8BlockScaling>(
                        "amax_epsilon",
                        recipe => recipe.AmaxEpsilon,
                        (recipe, value) => recipe with { AmaxEpsilon = value.GetValue<float>() }
                    ),
                    Override,
                ]
            ),
            [nameof(NVFP4BlockScaling)] = (
                new NVFP4BlockScaling(),
                [
                    RecipeField.Of<NVFP4BlockScaling>(
                        "disable_rht",
                        recipe => recipe.DisableRandomHadamardTransform,
                        (recipe, value) => recipe with { DisableRandomHadamardTransform = value.GetValue<bool>() }
                    ),
                    RecipeField.Of<NVFP4BlockScaling>(
                        "disable_stochastic_rounding",
                        recipe => recipe.DisableStochasticRounding,
                        (recipe, value) => recipe with { DisableStochasticRounding = value.GetValue<bool>() }
                    ),
                    RecipeField.Of<NVFP4BlockScaling>(
                        "disable_2d_quantization",
                        recipe => recipe.Disable2DQuantization,
                        (recipe, value) => recipe with { Disable2DQuantization = value.GetValue<bool>() }
                    ),
                    Override,
                ]
            ),
        };

    private static JsonNode FormatName(Float8Format format) => format.ToString().ToUpperInvariant();

    private static Float8Format FormatNamed(string name) =>
        name switch
        {
            "HYBRID" => Float8Format.Hybrid,
            "E4M3" => Float8Format.E4M3,
            "E5M2" => Float8Format.E5M2, // which the recipe refuses
            _ => throw new ArgumentException($"the fp8_format '{name}' is not known; allowed are HYBRID and E4M3"),
        };

    // None is Python's None, which is left out.
    private static JsonNode? OverrideName(BackwardOverride backwardOverride) =>
        backwardOverride switch
        {
            BackwardOverride.HighPrecision => "high_precision",
            BackwardOverride.Dequantized => "dequantized",
            _ => null,
        };

    private static BackwardOverride OverrideNamed(string name) =>
        name switch
        {
            "high_precision" => BackwardOverride.HighPrecision,
            "dequantized" => BackwardOverride.Dequantized,
            _ => throw new ArgumentException(
                $"the backward_override '{name}' is not known; allowed are high_precision and dequantized, or none at all"
            ),
        };

    private static AmaxComputeAlgorithm AlgorithmNamed(string name) =>
        name switch
        {
            "max" => AmaxComputeAlgorithm.Max,
            "most_recent" => AmaxComputeAlgorithm.MostRecent,
            _ => throw new ArgumentException(
                $"the amax_compute_algo '{name}' is not known; allowed are max and most_recent"
            ),
        };
}
