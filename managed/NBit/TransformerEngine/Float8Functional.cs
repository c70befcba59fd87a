using NBit.Devices;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>The operations that Float8 training is made of, on tensors.</summary>
/// <remarks>
/// Sources are float32, float16 or bfloat16 on the CPU. Codes saturate at the largest number of their format, infinities
/// too; NaN becomes 0x7F; amaxes leave NaN out.
/// </remarks>
public static unsafe class Float8Functional
{
    /// <summary>The largest magnitude of a tensor, NaN left out.</summary>
    /// <param name="source">The tensor.</param>
    /// <returns>float32 [1]; 0 if nothing is left.</returns>
    public static Tensor Amax(Tensor source)
    {
        CheckSource(source);
        return ScaledCasts.Amax(source);
    }

    /// <summary>The scales of current scaling.</summary>
    /// <param name="amax">float32.</param>
    /// <param name="format">E4M3 or E5M2.</param>
    /// <param name="powerOf2">Whether scales are rounded down to powers of two.</param>
    /// <param name="epsilon">The least amax.</param>
    /// <returns>float32 of the amax's shape: the largest number of the format / amax, 1 where that is no number to scale
    /// with; and the reciprocals.</returns>
    public static (Tensor Scale, Tensor ScaleInverse) ScaleFromAmax(
        Tensor amax,
        CodeFormat format,
        bool powerOf2 = false,
        float epsilon = 0
    )
    {
        ArgumentNullException.ThrowIfNull(amax);
        CheckFloat32(amax, nameof(amax));
        return ScaledCasts.ScaleOf(amax, format, powerOf2, epsilon);
    }

    /// <summary>Ends a step of delayed scaling: amaxes enter the history, and the scales of the next step are
    /// made.</summary>
    /// <param name="history">float32 [length, tensors], with the amaxes of the step in row 0; changed in place.</param>
    /// <param name="scale">float32 [tensors]; changed in place.</param>
    /// <param name="recipe">Margin and algorithm; its functions are not called.</param>
    /// <param name="format">E4M3 or E5M2.</param>
    /// <param name="rule">Which of Transformer Engine's updates.</param>
    public static void UpdateHistory(
        Tensor history,
        Tensor scale,
        DelayedScaling recipe,
        CodeFormat format,
        HistoryRule rule = HistoryRule.Fused
    )
    {
        ArgumentNullException.ThrowIfNull(history);
        ArgumentNullException.ThrowIfNull(scale);
        ArgumentNullException.ThrowIfNull(recipe);
        DelayedScales.Update(rule, recipe, format, history, scale);
    }

    /// <summary>Casts with one scale.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="format">E4M3 or E5M2.</param>
    /// <param name="scale">float32 [1], finite and above 0; null for 1.</param>
    /// <param name="amax">float32 [1] that becomes the larger one of itself and the source's amax; or null.</param>
    /// <returns>round(source * scale), and 1 / scale.</returns>
    public static ScaledMatrix Quantize(Tensor source, CodeFormat format, Tensor? scale = null, Tensor? amax = null)
    {
        CheckMatrix(source);
        using var scaleMemory = scale is null ? null : DenseTensor.Target(scale, nameof(scale), ScalarType.Float32, 1);
        return ScaledCasts.QuantizeTensor(source, format, scale, amax);
    }

    /// <summary>Casts to MXFP8: one power of two for 32 elements, rounded up, so that no block saturates.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="format">E4M3 or E5M2.</param>
    /// <param name="scaling"><see cref="Scaling.MXFP8Rows" />, <see cref="Scaling.MXFP8Columns" /> or
    /// <see cref="Scaling.MXFP8Tiles" />.</param>
    /// <returns>The codes and scales.</returns>
    public static ScaledMatrix QuantizeMXFP8(
        Tensor source,
        CodeFormat format = CodeFormat.E4M3,
        Scaling scaling = Scaling.MXFP8Rows
    )
    {
        CheckMatrix(source);
        return ScaledCasts.QuantizeMXFP8(source, format, scaling);
    }

    /// <summary>Casts in blocks with float32 scales.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="transpose">Whether the transpose is cast.</param>
    /// <param name="format">E4M3 or E5M2.</param>
    /// <param name="scaling"><see cref="Scaling.Float8Rows" /> or <see cref="Scaling.Float8Tiles" />.</param>
    /// <param name="powerOf2">Whether scales are rounded down to powers of two.</param>
    /// <param name="epsilon">The least amax.</param>
    /// <returns>The codes and scales.</returns>
    public static ScaledMatrix QuantizeFloat8Blocks(
        Tensor source,
        bool transpose = false,
        CodeFormat format = CodeFormat.E4M3,
        Scaling scaling = Scaling.Float8Rows,
        bool powerOf2 = true,
        float epsilon = 0
    )
    {
        CheckMatrix(source);
        return ScaledCasts.QuantizeFloat8Blocks(source, transpose, format, scaling, powerOf2, epsilon);
    }

    /// <summary>Casts to NVFP4: 4-bit codes with an E4M3 scale for 16 elements of a row, and an amax.</summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="transpose">Whether the transpose is cast.</param>
    /// <param name="tiles">Whether 16 rows share a scale.</param>
    /// <param name="seed">Of stochastic rounding, another one in each step; null to round to nearest.</param>
    /// <param name="amax">float32 [1] in place of the source's; or null.</param>
    /// <returns>The codes and scales.</returns>
    public static ScaledMatrix QuantizeNVFP4(
        Tensor source,
        bool transpose = false,
        bool tiles = false,
        ulong? seed = null,
        Tensor? amax = null
    )
    {
        CheckMatrix(source);
        if (amax is not null)
        {
            CheckFloat32(amax, nameof(amax));
        }

        return ScaledCasts.QuantizeNVFP4(source, transpose, tiles, seed, amax);
    }

    /// <summary>Transposes a matrix and transforms its rows by Transformer Engine's random Hadamard transform, 16 elements
    /// after the other.</summary>
    /// <param name="source">bfloat16 [rows, columns].</param>
    /// <returns>bfloat16 [columns, rows], with zeros up to the next multiple of 16.</returns>
    /// <exception cref="ArgumentException">It is of another dtype.</exception>
    public static Tensor HadamardTransform(Tensor source)
    {
        CheckMatrix(source);
        return source.dtype == ScalarType.BFloat16
            ? ScaledCasts.HadamardTransform(source)
            : throw new ArgumentException($"source is {source.dtype}; the transform takes BFloat16", nameof(source));
    }

    /// <summary>The numbers that codes and scales stand for.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>[rows, columns], as the matrix is stored.</returns>
    public static Tensor Dequantize(ScaledMatrix matrix, ScalarType dtype = ScalarType.Float32)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        return ScaledProducts.Dequantize(matrix, dtype);
    }

    /// <summary>a @ b^T, of what was cast or its transposes: sums in float32, rounded once.</summary>
    /// <param name="a">[m, k]; [k, m] with <paramref name="aTransposed" />.</param>
    /// <param name="b">[n, k]; [k, n] with <paramref name="bTransposed" />.</param>
    /// <param name="aTransposed">Whether the transpose of a takes part.</param>
    /// <param name="bTransposed">Whether the transpose of b takes part.</param>
    /// <param name="bias">[n], added before the rounding; or null.</param>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>[m, n].</returns>
    /// <exception cref="ArgumentException">Sizes do not agree.</exception>
    public static Tensor Multiply(
        ScaledMatrix a,
        ScaledMatrix b,
        bool aTransposed = false,
        bool bTransposed = false,
        Tensor? bias = null,
        ScalarType dtype = ScalarType.Float32
    )
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return ScaledProducts.Multiply(a, aTransposed, b, bTransposed, bias, dtype);
    }

    private static void CheckSource(Tensor source)
    {
        ArgumentNullException.ThrowIfNull(source);
        Blocks4.CheckFloating(source, nameof(source));
    }

    private static void CheckMatrix(Tensor source)
    {
        CheckSource(source);
        if (source.dim() != 2)
        {
            throw new ArgumentException(
                $"source is [{string.Join(", ", source.shape)}]; it must be a matrix: flatten the leading dimensions",
                nameof(source)
            );
        }
    }

    private static void CheckFloat32(Tensor tensor, string name)
    {
        if (tensor.dtype != ScalarType.Float32)
        {
            throw new ArgumentException($"{name} is {tensor.dtype}; it must be Float32", name);
        }
    }
}
