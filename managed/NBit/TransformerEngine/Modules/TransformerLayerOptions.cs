namespace NBit.TransformerEngine.Modules;

/// <summary>The options of <see cref="TransformerLayer" />, those of its attention included: data only.</summary>
/// <remarks><see cref="AttentionOptions.MaskType" /> is that of self-attention.</remarks>
public sealed record TransformerLayerOptions : AttentionOptions
{
    /// <summary>Whether it has cross-attention.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of the types.</exception>
    public TransformerLayerType LayerType
    {
        get;
        init => field = OptionChecks.Defined(value);
    }

    /// <summary>What queries of cross-attention may attend to.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of the types.</exception>
    public AttentionMaskType EncoderDecoderMaskType
    {
        get;
        init => field = OptionChecks.Defined(value);
    } = AttentionMaskType.NoMask;

    /// <summary>The probability with which an element is dropped in training before it is added to the residual
    /// stream.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is no probability.</exception>
    public double HiddenDropout
    {
        get;
        init => field = OptionChecks.Probability(value);
    } = 0.1;

    /// <summary>The activation between the last two linear layers; null for
    /// <see cref="TransformerEngine.Activation.Gelu" />.</summary>
    public Activation? Activation { get; init; }

    /// <summary>Whether the output is normalized, and the input of self-attention is not (post-layernorm, as of
    /// BERT).</summary>
    public bool OutputLayerNorm { get; init; }

    /// <summary>Whether attention and MLP both read the input of the layer, and their sum is added to it.</summary>
    public bool ParallelAttentionMlp { get; init; }

    /// <summary>Whether results are added to what was normalized, and not to what came before that.</summary>
    public bool ApplyResidualConnectionPostLayerNorm { get; init; }
}
