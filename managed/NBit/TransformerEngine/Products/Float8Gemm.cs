using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>The three products of a linear layer, from operands in 8 bits: sums in float32, rounded once.</summary>
internal static class Float8Gemm
{
    /// <summary>input @ weight^T + bias.</summary>
    /// <param name="input">[rows, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null; rounded to the dtype, and to bfloat16 for float32: Transformer Engine's
    /// products have no float32 bias.</param>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>[rows, out].</returns>
    public static Tensor Forward(QuantizedOperand input, QuantizedOperand weight, Tensor? bias, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var rounded = bias?.detach().to(dtype == ScalarType.Float32 ? ScalarType.BFloat16 : dtype);
        return ScaledProducts
            .Multiply(input.RowWise!, aTransposed: false, weight.RowWise!, bTransposed: false, rounded, dtype)
            .MoveToOuterDisposeScope();
    }

    /// <summary>gradient @ weight.</summary>
    /// <param name="gradient">[rows, out].</param>
    /// <param name="weight">[out, in], column-wise.</param>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>[rows, in].</returns>
    public static Tensor InputGradient(QuantizedOperand gradient, ScaledMatrix weight, ScalarType dtype) =>
        ScaledProducts.Multiply(gradient.RowWise!, aTransposed: false, weight, bTransposed: true, bias: null, dtype);

    /// <summary>gradient^T @ input.</summary>
    /// <param name="gradient">[rows, out].</param>
    /// <param name="input">[rows, in], column-wise.</param>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>[out, in].</returns>
    public static Tensor WeightGradient(QuantizedOperand gradient, ScaledMatrix input, ScalarType dtype) =>
        ScaledProducts.Multiply(gradient.ColumnWise!, aTransposed: true, input, bTransposed: true, bias: null, dtype);

    /// <summary>gradient^T @ input into a tensor, or added to it before the rounding.</summary>
    /// <param name="gradient">[rows, out].</param>
    /// <param name="input">[rows, in], column-wise.</param>
    /// <param name="target">[out, in], float32, float16 or bfloat16, contiguous.</param>
    /// <param name="accumulates">Whether it is added.</param>
    public static void WeightGradient(QuantizedOperand gradient, ScaledMatrix input, Tensor target, bool accumulates) =>
        ScaledProducts.Multiply(
            gradient.ColumnWise!,
            aTransposed: true,
            input,
            bTransposed: true,
            bias: null,
            target,
            accumulates
        );
}
