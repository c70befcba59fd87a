using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>An embedding whose rows are held in 8 bits (bitsandbytes' <c>Embedding8bit</c>). It is frozen.</summary>
public sealed class Embedding8bit : nn.Module<Tensor, Tensor>
{
    private readonly ScalarType _dtype;

    /// <summary>Creates an embedding with the usual random weights, quantized.</summary>
    /// <param name="numEmbeddings">The number of rows, 1 or more.</param>
    /// <param name="embeddingDims">The size of a row, 1 or more.</param>
    /// <param name="dtype">float32, float16 or bfloat16: of the rows; null for the default dtype.</param>
    public Embedding8bit(long numEmbeddings, long embeddingDims, ScalarType? dtype = null)
        : this(Draw(numEmbeddings, embeddingDims, dtype), dtype ?? get_default_dtype()) { }

    private Embedding8bit(Weight8bit own, ScalarType dtype)
        : base(nameof(Embedding8bit))
    {
        _dtype = dtype;
        weight = LinearParameters.Create(own);
    }

    /// <summary>The codes, int8 [rows, dims].</summary>
    public Parameter weight
    {
        get;
        private set // by Module.to(), through reflection
        {
            field = LinearParameters.Succeed(field, value);
            ConditionallyRegisterParameter(nameof(weight), field);
        }
    }

    /// <summary>The absmax of each row, float32 [rows] (SCB). It belongs to the embedding: do not dispose it.</summary>
    public Tensor RowAbsmax => Own.RowAbsmax;

    private Weight8bit Own => (Weight8bit)LinearWeight.Of(weight)!;

    /// <summary>An embedding with the weight of another one, quantized by rows.</summary>
    /// <param name="embedding">The embedding; not changed.</param>
    /// <returns>The embedding; its rows have the dtype of the given one's.</returns>
    public static Embedding8bit FromEmbedding(Embedding embedding)
    {
        ArgumentNullException.ThrowIfNull(embedding);
        return new(Weight8bit.Quantize(embedding.weight!, threshold: 0), embedding.weight!.dtype);
    }

    /// <summary>An embedding of a weight that is quantized already.</summary>
    /// <param name="codes">int8 [rows, dims]; the embedding's from here on.</param>
    /// <param name="rowAbsmax">float32 [rows]; the embedding's from here on.</param>
    /// <param name="dtype">float32, float16 or bfloat16: of the rows.</param>
    /// <returns>The embedding.</returns>
    /// <exception cref="ArgumentException">Codes and absmax do not belong together.</exception>
    public static Embedding8bit FromQuantized(Tensor codes, Tensor rowAbsmax, ScalarType dtype)
    {
        Rows8.CheckCodes(codes, nameof(codes));
        Rows8.CheckAbsmax(rowAbsmax, codes.shape[0], nameof(rowAbsmax));
        if (dtype is not (ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
        {
            throw new ArgumentException(
                $"the dtype of rows is {dtype}; allowed are Float32, Float16 and BFloat16",
                nameof(dtype)
            );
        }

        return new(new Weight8bit(codes, rowAbsmax, threshold: 0), dtype);
    }

    /// <summary>The rows of the given numbers.</summary>
    /// <param name="input">int32 or int64, of any shape.</param>
    /// <returns>[..., dims].</returns>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var scope = NewDisposeScope();
        var indices = input.reshape(-1);
        var codes = Own.Storage.index_select(0, indices);
        var absmax = Own.RowAbsmax.index_select(0, indices);
        var result = Functional.Int8VectorwiseDequantize(codes, absmax, _dtype);
        return result.view([.. input.shape, Own.InFeatures]).MoveToOuterDisposeScope();
    }

    private static Weight8bit Draw(long numEmbeddings, long embeddingDims, ScalarType? dtype)
    {
        using var embedding = nn.Embedding(numEmbeddings, embeddingDims, dtype: dtype);
        return Weight8bit.Quantize(embedding.weight!, threshold: 0);
    }
}
