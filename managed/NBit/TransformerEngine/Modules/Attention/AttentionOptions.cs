using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>The options of <see cref="MultiheadAttention" />: data only.</summary>
public record AttentionOptions
{
    /// <summary>The features of a head; null for hidden / heads.</summary>
    public long? KvChannels { get; init; }

    /// <summary>How many heads keys and values have, each for as many heads of queries (arXiv:2305.13245); null for
    /// those of queries.</summary>
    public long? GqaGroupCount { get; init; }

    /// <summary>The probability with which an attention weight is dropped in training.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is no probability.</exception>
    public double AttentionDropout
    {
        get;
        init => field = OptionChecks.Probability(value);
    } = 0.1;

    /// <summary>What queries may attend to.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of them.</exception>
    public AttentionMaskType MaskType
    {
        get;
        init => field = OptionChecks.Defined(value);
    }

    /// <summary>The order of the dimensions of inputs and outputs.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of them.</exception>
    public SequenceFormat Format
    {
        get;
        init => field = OptionChecks.Defined(value);
    }

    /// <summary>Whether query, key and value share a weight and a bias.</summary>
    public bool FuseQkvParameters { get; init; }

    /// <summary>
    /// Whether a shared weight holds the queries of a group, its key and its value, group after group; else all
    /// queries, all keys, all values. Of no account without <see cref="FuseQkvParameters" />.
    /// </summary>
    public bool InterleaveQkvWeight { get; init; } = true;

    /// <summary>How queries and keys are normalized.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of them.</exception>
    public QueryKeyNormalization QueryKeyNormalization
    {
        get;
        init => field = OptionChecks.Defined(value);
    }

    /// <summary>What <see cref="QueryKeyNormalization" /> adds to the mean square, variance or sum.</summary>
    public double QueryKeyEps { get; init; } = 1e-6;

    /// <summary>What the norm of the input adds to the variance or mean square.</summary>
    public double LayerNormEps { get; init; } = 1e-5;

    /// <summary>Which norm that is.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of them.</exception>
    public NormalizationKind Normalization
    {
        get;
        init => field = OptionChecks.Defined(value);
    }

    /// <summary>Whether norms scale by 1 + weight, and the weight begins as 0.</summary>
    public bool ZeroCenteredGamma { get; init; }

    /// <summary>Whether linear layers have biases; they begin as 0.</summary>
    public bool HasBias { get; init; } = true;

    /// <summary>Fills weights [out, in] in place; null for numbers of N(0, 0.023).</summary>
    public Action<Tensor>? InitMethod { get; init; }

    /// <summary>Fills the weight of the last linear layer; null for numbers of N(0, 0.023).</summary>
    public Action<Tensor>? OutputLayerInitMethod { get; init; }

    /// <summary>The dtype of the parameters, float32, float16 or bfloat16; null for the default dtype.</summary>
    public ScalarType? DataType { get; init; }

    /// <summary>Whether gradients of weights go into tensors of the caller; takes
    /// <see cref="FuseQkvParameters" />.</summary>
    public bool FuseWeightGradientAccumulation { get; init; }
}
