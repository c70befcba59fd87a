using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>An embedding whose weight is held in 4 bits (bitsandbytes' <c>Embedding4bit</c>). It is frozen.</summary>
public sealed class Embedding4bit : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates an embedding with the usual random weights, quantized.</summary>
    /// <param name="numEmbeddings">The number of rows, 1 or more.</param>
    /// <param name="embeddingDims">The size of a row, 1 or more.</param>
    /// <param name="quantType">The code.</param>
    /// <param name="blocksize">Elements that share one absmax: a power of two from 32 to 4096.</param>
    /// <param name="compressStatistics">Whether absmax is quantized too.</param>
    /// <param name="dtype">float32, float16 or bfloat16: of the rows; null for the default dtype.</param>
    public Embedding4bit(
        long numEmbeddings,
        long embeddingDims,
        QuantType quantType = QuantType.FP4,
        int blocksize = 64,
        bool compressStatistics = true,
        ScalarType? dtype = null
    )
        : this(Draw(numEmbeddings, embeddingDims, quantType, blocksize, compressStatistics, dtype)) { }

    private Embedding4bit(Weight4bit own)
        : base(nameof(Embedding4bit))
    {
        weight = LinearParameters.Create(own);
    }

    /// <summary>The packed codes, uint8 [n / 2, 1].</summary>
    public Parameter weight
    {
        get;
        private set // by Module.to(), through reflection
        {
            field = LinearParameters.Succeed(field, value);
            ConditionallyRegisterParameter(nameof(weight), field);
        }
    }

    /// <summary>How the weight is quantized. It belongs to the embedding: do not dispose it.</summary>
    public QuantState QuantState => Own.State;

    private Weight4bit Own => (Weight4bit)LinearWeight.Of(weight)!;

    /// <summary>An embedding with the weight of another one, quantized.</summary>
    /// <param name="embedding">The embedding; not changed.</param>
    /// <param name="quantType">The code.</param>
    /// <param name="blocksize">Elements that share one absmax.</param>
    /// <param name="compressStatistics">Whether absmax is quantized too.</param>
    /// <returns>The embedding.</returns>
    /// <exception cref="ArgumentException">The weight is of an unsuitable dtype.</exception>
    public static Embedding4bit FromEmbedding(
        Embedding embedding,
        QuantType quantType = QuantType.FP4,
        int blocksize = 64,
        bool compressStatistics = true
    )
    {
        ArgumentNullException.ThrowIfNull(embedding);
        return new(Weight4bit.Quantize(embedding.weight!, quantType, blocksize, compressStatistics, computeType: null));
    }

    /// <summary>An embedding of a weight that is quantized already.</summary>
    /// <param name="packed">The codes, uint8; the embedding's from here on.</param>
    /// <param name="state">Their state, of a weight [rows, dims]; the embedding's from here on.</param>
    /// <returns>The embedding.</returns>
    /// <exception cref="ArgumentException">Codes and state do not belong together.</exception>
    public static Embedding4bit FromQuantized(Tensor packed, QuantState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using (Blocks4.Bytes(packed, state)) // checks
        {
            return new(new Weight4bit(packed, state, computeType: null));
        }
    }

    /// <summary>The rows of the given numbers.</summary>
    /// <param name="input">int32 or int64, of any shape.</param>
    /// <returns>[..., dims], of the dtype that was quantized.</returns>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var scope = NewDisposeScope();
        var (rows, width) = (Own.OutFeatures, Own.InFeatures);
        var indices = input.reshape(-1);
        Tensor result;
        if (width % QuantState.Blocksize == 0)
        {
            // Rows are whole blocks: only those that are asked for are dequantized.
            var packed = Own.Storage.view(rows, -1).index_select(0, indices);
            var absmax = QuantState.RecoverAbsmax().view(rows, -1).index_select(0, indices).view(-1);
            var state = QuantState with
            {
                Absmax = absmax,
                Nested = null,
                Offset = null,
                Shape = [indices.numel(), width],
            };
            result = Functional.Dequantize4Bit(packed, state);
        }
        else
        {
            result = Own.Dequantize().index_select(0, indices);
        }

        return result.view([.. input.shape, width]).MoveToOuterDisposeScope();
    }

    private static Weight4bit Draw(
        long numEmbeddings,
        long embeddingDims,
        QuantType quantType,
        int blocksize,
        bool compressStatistics,
        ScalarType? dtype
    )
    {
        using var embedding = nn.Embedding(numEmbeddings, embeddingDims, dtype: dtype);
        return Weight4bit.Quantize(embedding.weight!, quantType, blocksize, compressStatistics, computeType: null);
    }
}
