using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Casts operands as the recipes ask for that keep nothing between steps.</summary>
internal static class OperandCasts
{
    /// <summary>Casts an operand.</summary>
    /// <param name="recipe">Any recipe but delayed scaling.</param>
    /// <param name="role">What the operand is.</param>
    /// <param name="source">[rows, columns].</param>
    /// <param name="rowWise">Whether a product sums over its columns.</param>
    /// <param name="columnWise">Whether a product sums over its rows.</param>
    /// <param name="amax">float32 [1] for current scaling, in place of the source's; or null.</param>
    public static QuantizedOperand Quantize(
        Float8Recipe recipe,
        OperandRole role,
        Tensor source,
        bool rowWise,
        bool columnWise,
        Tensor? amax = null
    )
    {
        var type = role == OperandRole.Gradient ? recipe.BackwardType : recipe.ForwardType;
        return recipe switch
        {
            Float8CurrentScaling current => QuantizedOperand.Both(Current(current, source, type, amax)),
            MXFP8BlockScaling { Enable2DQuantization: true } when role == OperandRole.Weight => QuantizedOperand.Both(
                ScaledCasts.QuantizeMXFP8(source, type, Scaling.MXFP8Tiles)
            ),
            MXFP8BlockScaling => new(
                rowWise ? ScaledCasts.QuantizeMXFP8(source, type, Scaling.MXFP8Rows) : null,
                columnWise ? ScaledCasts.QuantizeMXFP8(source, type, Scaling.MXFP8Columns) : null
            ),
            Float8BlockScaling blocks when role == OperandRole.Weight => QuantizedOperand.Both(
                Blocks(blocks, source, transpose: false, type, Scaling.Float8Tiles)
            ),
            Float8BlockScaling blocks => new(
                rowWise ? Blocks(blocks, source, transpose: false, type, Scaling.Float8Rows) : null,
                columnWise ? Blocks(blocks, source, transpose: true, type, Scaling.Float8Rows) : null
            ),
            NVFP4BlockScaling pairs => new(
                rowWise ? RowWise4(pairs, role, source) : null,
                columnWise ? ColumnWise4(pairs, role, source) : null
            ),
            _ => throw new ArgumentException($"{recipe.GetType().Name} needs the scales of a module", nameof(recipe)),
        };
    }

    private static ScaledMatrix Current(Float8CurrentScaling recipe, Tensor source, CodeFormat type, Tensor? amax)
    {
        using var scope = NewDisposeScope();
        var (scale, _) = ScaledCasts.ScaleOf(
            amax ?? ScaledCasts.Amax(source),
            type,
            recipe.UsePowerOf2Scales,
            recipe.AmaxEpsilon
        );
        return ScaledCasts.QuantizeTensor(source, type, scale, amax: null);
    }

    private static ScaledMatrix Blocks(
        Float8BlockScaling recipe,
        Tensor source,
        bool transpose,
        CodeFormat type,
        Scaling scaling
    ) =>
        ScaledCasts.QuantizeFloat8Blocks(
            source,
            transpose,
            type,
            scaling,
            recipe.UsePowerOf2Scales,
            recipe.AmaxEpsilon
        );

    private static ScaledMatrix RowWise4(NVFP4BlockScaling recipe, OperandRole role, Tensor source) =>
        ScaledCasts.QuantizeNVFP4(source, transpose: false, IsTiled(recipe, role), Seed(recipe, role));

    // Only the weight gradient sums over the rows of inputs and gradients: the transform cancels out in it.
    private static ScaledMatrix ColumnWise4(NVFP4BlockScaling recipe, OperandRole role, Tensor source) =>
        role == OperandRole.Weight || recipe.DisableRandomHadamardTransform
            ? ScaledCasts.QuantizeNVFP4(source, transpose: true, IsTiled(recipe, role), Seed(recipe, role))
            : ScaledCasts.QuantizeTransformedNVFP4(source, Seed(recipe, role));

    private static bool IsTiled(NVFP4BlockScaling recipe, OperandRole role) =>
        role == OperandRole.Weight && !recipe.Disable2DQuantization;

    // From libtorch's generator, so that a seeded or resumed run rounds alike.
    private static ulong? Seed(NVFP4BlockScaling recipe, OperandRole role)
    {
        if (role != OperandRole.Gradient || recipe.DisableStochasticRounding)
        {
            return null;
        }

        using var number = randint(long.MaxValue, [1], ScalarType.Int64);
        return (ulong)number.item<long>();
    }
}
