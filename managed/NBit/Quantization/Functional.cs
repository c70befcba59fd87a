using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>Quantization of tensors, with the names of bitsandbytes.functional.</summary>
/// <remarks>
/// The rules are those of bitsandbytes' CUDA kernels on every device: the nearest code, always. Sources may be strided in
/// any way; results are new tensors for the caller to dispose.
/// </remarks>
public static class Functional
{
    /// <summary>Quantizes to 4 bits in blocks.</summary>
    /// <param name="source">float32, float16 or bfloat16, of any shape; flattened in row-major order.</param>
    /// <param name="quantType">The code.</param>
    /// <param name="blocksize">Elements that share one absmax: a power of two from 32 to 4096.</param>
    /// <param name="compressStatistics">Whether absmax is quantized to 8 bits itself (double quantization).</param>
    /// <param name="quantStorage">The dtype that the bytes are kept in; the bytes are the same.</param>
    /// <param name="output">Where the codes go, contiguous uint8 [(n + 1) / 2, 1]; null for a new tensor. Not with
    /// another storage dtype.</param>
    /// <returns>The codes, [(n + 1) / 2, 1] bytes with the first element of a pair in the upper four bits, and the state
    /// that undoes it.</returns>
    /// <exception cref="ArgumentException">The source is of another dtype, or the block size is not allowed.</exception>
    /// <exception cref="NotSupportedException">The source is not on the CPU.</exception>
    public static (Tensor Packed, QuantState State) Quantize4Bit(
        Tensor source,
        QuantType quantType = QuantType.FP4,
        int blocksize = 64,
        bool compressStatistics = false,
        ScalarType quantStorage = ScalarType.Byte,
        Tensor? output = null
    ) => Blocks4.Quantize(source, quantType, blocksize, compressStatistics, quantStorage, output);

    /// <summary>Undoes <see cref="Quantize4Bit" />: the value of each code times absmax, rounded once.</summary>
    /// <param name="packed">The codes, of any storage dtype.</param>
    /// <param name="state">The state.</param>
    /// <param name="output">Where to write, contiguous and of the state's shape; null for a new tensor.</param>
    /// <param name="dtype">float32, float16 or bfloat16; the output's, or else the dtype that was quantized.</param>
    /// <returns>The output.</returns>
    /// <exception cref="ArgumentException">Codes and state do not belong together.</exception>
    public static Tensor Dequantize4Bit(
        Tensor packed,
        QuantState state,
        Tensor? output = null,
        ScalarType? dtype = null
    )
    {
        ArgumentNullException.ThrowIfNull(state);
        return Blocks4.Dequantize(packed, state, output, dtype);
    }

    /// <summary>Quantizes to 8 bits in blocks.</summary>
    /// <param name="source">float32, float16 or bfloat16, of any shape; flattened in row-major order.</param>
    /// <param name="code">What the 256 codes stand for; null for <see cref="Codebook.DynamicSigned" />.</param>
    /// <param name="blocksize">Elements that share one absmax, 1 or more; powers of two from 32 are fast.</param>
    /// <param name="nested">Whether absmax is quantized itself, in blocks of the same size.</param>
    /// <param name="output">Where the codes go, contiguous uint8 of the source's shape; null for a new tensor.</param>
    /// <returns>The codes, uint8 of the source's shape, and the state that undoes it.</returns>
    /// <exception cref="ArgumentException">The source is of another dtype, or the block size is not allowed.</exception>
    public static (Tensor Codes, QuantState State) QuantizeBlockwise(
        Tensor source,
        Codebook? code = null,
        int blocksize = 4096,
        bool nested = false,
        Tensor? output = null
    ) => Blocks8.Quantize(source, code ?? Codebook.DynamicSigned, blocksize, nested, output);

    /// <summary>Undoes <see cref="QuantizeBlockwise" />.</summary>
    /// <param name="codes">The codes.</param>
    /// <param name="state">The state.</param>
    /// <param name="output">Where to write, contiguous and of the state's shape; null for a new tensor.</param>
    /// <returns>The output, of the dtype that was quantized unless an output of another one is given.</returns>
    /// <exception cref="ArgumentException">Codes and state do not belong together.</exception>
    public static Tensor DequantizeBlockwise(Tensor codes, QuantState state, Tensor? output = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Blocks8.Dequantize(codes, state, output);
    }

    /// <summary>Quantizes rows to int8 as LLM.int8() does: codes = rint(a * (127 / absmax of the row)).</summary>
    /// <param name="a">float32, float16 or bfloat16 [rows, columns]; bitsandbytes takes float16.</param>
    /// <param name="threshold">Elements of at least this magnitude are outliers: they count for no absmax, and their
    /// columns get the code 0. 0 for none.</param>
    /// <returns>Codes, absmax and outlier columns.</returns>
    /// <exception cref="ArgumentException">It is no matrix of such a dtype, or the threshold is negative.</exception>
    public static Int8Rows Int8VectorwiseQuantize(Tensor a, double threshold = 0) => Rows8.Quantize(a, threshold);

    /// <summary>Undoes <see cref="Int8VectorwiseQuantize" />, but for outlier columns: codes * absmax / 127.</summary>
    /// <param name="codes">int8 [rows, columns].</param>
    /// <param name="rowAbsmax">float32 [rows].</param>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>A new tensor [rows, columns].</returns>
    /// <exception cref="ArgumentException">Codes and absmax do not belong together.</exception>
    public static Tensor Int8VectorwiseDequantize(
        Tensor codes,
        Tensor rowAbsmax,
        ScalarType dtype = ScalarType.Float32
    ) => Rows8.Dequantize(codes, rowAbsmax, dtype);

    /// <summary>The exact product of int8 matrices: a @ b^T.</summary>
    /// <param name="a">int8 [m, k].</param>
    /// <param name="b">int8 [n, k].</param>
    /// <returns>int32 [m, n].</returns>
    /// <exception cref="ArgumentException">They are no int8 matrices with as many columns.</exception>
    public static Tensor Int8LinearMatmul(Tensor a, Tensor b) => Rows8.Multiply(a, b);

    /// <summary>Makes numbers of the product of two matrices that were quantized by rows.</summary>
    /// <param name="product">int32 [m, n], of <see cref="Int8LinearMatmul" />.</param>
    /// <param name="rowAbsmax">float32 [m], of the left matrix.</param>
    /// <param name="columnAbsmax">float32 [n], of the right matrix.</param>
    /// <param name="bias">float32, float16 or bfloat16 [n], or null.</param>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>A new tensor [m, n]: product * rowAbsmax * columnAbsmax / 127^2 + bias.</returns>
    /// <exception cref="ArgumentException">A tensor is not as described.</exception>
    public static Tensor Int8MatmulDequantize(
        Tensor product,
        Tensor rowAbsmax,
        Tensor columnAbsmax,
        Tensor? bias = null,
        ScalarType dtype = ScalarType.Float16
    ) => Rows8.DequantizeProduct(product, rowAbsmax, columnAbsmax, bias, dtype);

    /// <summary>A linear layer as LLM.int8() computes it: x is quantized by rows; outlier columns are multiplied in
    /// floating point.</summary>
    /// <param name="x">float32, float16 or bfloat16 [..., in]; rounded to float16 first.</param>
    /// <param name="codes">int8 [out, in]: the weight.</param>
    /// <param name="rowAbsmax">float32 [out]: the weight's absmax (SCB).</param>
    /// <param name="bias">float32, float16 or bfloat16 [out], or null.</param>
    /// <param name="threshold">The magnitude of outliers; 0 for none.</param>
    /// <returns>A new tensor [..., out] of x's dtype, without gradients.</returns>
    /// <exception cref="ArgumentException">A tensor is not as described.</exception>
    public static Tensor Int8MixedMatmul(
        Tensor x,
        Tensor codes,
        Tensor rowAbsmax,
        Tensor? bias = null,
        double threshold = 6
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        Rows8.CheckCodes(codes, nameof(codes));
        Rows8.CheckAbsmax(rowAbsmax, codes.shape[0], nameof(rowAbsmax));
        Rows8.CheckBias(bias, codes.shape[0]);
        Rows8.CheckThreshold(threshold);
        return x.dim() > 0 && x.shape[^1] == codes.shape[1]
            ? Int8Products.Forward(codes, rowAbsmax, x, bias, threshold)
            : throw new ArgumentException(
                $"x is [{string.Join(", ", x.shape)}]; the weight has {codes.shape[1]} inputs",
                nameof(x)
            );
    }
}
