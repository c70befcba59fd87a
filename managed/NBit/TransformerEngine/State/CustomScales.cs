using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>
/// The update of delayed scaling with a function of the user's: that of Transformer Engine's Python code, in which every
/// history moves on and NaN win a maximum.
/// </summary>
internal static class CustomScales
{
    /// <exception cref="InvalidOperationException">A function gave no float32 tensor of one number a tensor, or a scale
    /// that is not finite and above 0; nothing was changed.</exception>
    public static void Update(DelayedScales scales, DelayedScaling recipe, float maximum)
    {
        using var scope = NewDisposeScope();
        var (history, scale) = (scales.AmaxHistory, scales.Scale);
        var amax = Checked(
            recipe.AmaxComputeAlgorithm.Function is { } function ? function(history)
                : recipe.AmaxComputeAlgorithm == AmaxComputeAlgorithm.Max ? history.amax([0])
                : history.select(0, 0).clone(),
            scale,
            "amaxComputeAlgorithm"
        );
        var next = recipe.Scaling is { } scaling
            ? Positive(Checked(scaling(amax, scale, maximum, recipe), scale, nameof(scaling)))
            : UsualScale(amax, scale, maximum, recipe.Margin);
        history.copy_(history.roll(-1, 0));
        history.select(0, 0).zero_();
        scale.copy_(next);
    }

    // The quotient of a number and a tensor is a product with the reciprocal in eager PyTorch.
    private static Tensor UsualScale(Tensor amax, Tensor scale, float maximum, int margin)
    {
        var quotient = amax.reciprocal() * maximum / Math.ScaleB(1, margin);
        var usable = amax.gt(0).logical_and(amax.isfinite());
        return where(usable, quotient, scale).clamp_max(float.MaxValue);
    }

    private static Tensor Checked(Tensor result, Tensor scale, string name) =>
        result is { dtype: ScalarType.Float32 } && result.shape.AsSpan().SequenceEqual(scale.shape)
            ? result
            : throw new InvalidOperationException(
                $"the function {name} of the recipe gave "
                    + (result is null ? "null" : $"{result.dtype} [{string.Join(", ", result.shape)}]")
                    + $"; it must give Float32 [{scale.shape[0]}], one number for each tensor of the module"
            );

    private static Tensor Positive(Tensor scale) =>
        scale.isfinite().logical_and(scale.gt(0)).all().item<bool>()
            ? scale
            : throw new InvalidOperationException(
                "the function scaling of the recipe gave a scale that is 0, negative, infinite or NaN; give the scale so far "
                    + "where the amax is 0, infinite or NaN"
            );
}
