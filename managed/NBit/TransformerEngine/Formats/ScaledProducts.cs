using NBit.Devices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Products of scaled matrices, and their numbers.</summary>
internal static unsafe class ScaledProducts
{
    /// <summary>a @ b^T + bias, each operand or its transpose.</summary>
    /// <param name="a">[m, k], or [k, m] if <paramref name="aTransposed" />: of what was quantized, not as it is
    /// stored.</param>
    /// <param name="aTransposed">Whether the transpose takes part.</param>
    /// <param name="b">[n, k], or [k, n] if <paramref name="bTransposed" />.</param>
    /// <param name="bTransposed">Whether the transpose takes part.</param>
    /// <param name="bias">[n], or null.</param>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>[m, n].</returns>
    public static Tensor Multiply(
        ScaledMatrix a,
        bool aTransposed,
        ScaledMatrix b,
        bool bTransposed,
        Tensor? bias,
        ScalarType dtype
    )
    {
        using var scope = NewDisposeScope();
        var target = empty([RowsOf(a, aTransposed), RowsOf(b, bTransposed)], dtype, a.Codes.device);
        Multiply(a, aTransposed, b, bTransposed, bias, target, accumulates: false);
        return target.MoveToOuterDisposeScope();
    }

    /// <summary>The same into a tensor, or added to it.</summary>
    public static void Multiply(
        ScaledMatrix a,
        bool aTransposed,
        ScaledMatrix b,
        bool bTransposed,
        Tensor? bias,
        Tensor target,
        bool accumulates
    )
    {
        var (m, n, k) = (RowsOf(a, aTransposed), RowsOf(b, bTransposed), RowsOf(a, !aTransposed));
        if (RowsOf(b, !bTransposed) != k)
        {
            throw new ArgumentException(
                $"GEMM not possible: a is summed over {k} elements and b over {RowsOf(b, !bTransposed)}; they must agree",
                nameof(b)
            );
        }

        using var aCodes = DenseTensor.Of(a.Codes, nameof(a));
        using var aScales = DenseTensor.Of(a.Scales, nameof(a));
        using var aAmax = DenseTensor.Of(a.Amax, nameof(a));
        using var bCodes = DenseTensor.Of(b.Codes, nameof(b));
        using var bScales = DenseTensor.Of(b.Scales, nameof(b));
        using var bAmax = DenseTensor.Of(b.Amax, nameof(b));
        using var biasMemory = DenseTensor.Of(bias, nameof(bias));
        using var targetMemory = DenseTensor.Target(target, nameof(target), target.dtype, m, n);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_scaled_multiply(
                    context,
                    m,
                    n,
                    k,
                    (int)a.Format,
                    (int)a.Scaling,
                    (byte*)aCodes.Address,
                    aScales.Address,
                    (float*)aAmax.Address,
                    aTransposed != a.IsTransposed ? 1 : 0,
                    (int)b.Format,
                    (int)b.Scaling,
                    (byte*)bCodes.Address,
                    bScales.Address,
                    (float*)bAmax.Address,
                    bTransposed != b.IsTransposed ? 1 : 0,
                    (int)(bias?.dtype ?? target.dtype),
                    biasMemory.Address,
                    accumulates ? 1 : 0,
                    (int)target.dtype,
                    targetMemory.Address
                ),
            aCodes,
            aScales,
            aAmax,
            bCodes,
            bScales,
            bAmax,
            biasMemory,
            targetMemory
        );
    }

    /// <summary>The numbers of a matrix, [rows, columns] as it is stored.</summary>
    public static Tensor Dequantize(ScaledMatrix matrix, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var target = empty([matrix.Rows, matrix.Columns], dtype, matrix.Codes.device);
        using var codes = DenseTensor.Of(matrix.Codes, nameof(matrix));
        using var scales = DenseTensor.Of(matrix.Scales, nameof(matrix));
        using var amax = DenseTensor.Of(matrix.Amax, nameof(matrix));
        using var targetMemory = DenseTensor.New(target);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_scaled_dequantize(
                    context,
                    (int)matrix.Format,
                    (int)matrix.Scaling,
                    (byte*)codes.Address,
                    matrix.Rows,
                    matrix.Columns,
                    scales.Address,
                    (float*)amax.Address,
                    (int)dtype,
                    targetMemory.Address
                ),
            codes,
            scales,
            amax,
            targetMemory
        );
        return target.MoveToOuterDisposeScope();
    }

    private static long RowsOf(ScaledMatrix matrix, bool transposed) =>
        transposed != matrix.IsTransposed ? matrix.Columns : matrix.Rows;
}
