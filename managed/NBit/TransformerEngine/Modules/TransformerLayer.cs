using NBit.Amp;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>A layer of a transformer: attention and an MLP, each added to the residual stream, with linear layers that
/// multiply in 8 bits inside <see cref="Float8.Autocast" /> (Transformer Engine's <c>TransformerLayer</c>).</summary>
/// <remarks>
/// Its children have Transformer Engine's names: <c>self_attention</c>, <c>inter_attention</c> for a decoder,
/// <c>layernorm_mlp</c>, and <c>layernorm</c> with <see cref="TransformerLayerOptions.OutputLayerNorm" />. The last
/// biases of attention and MLP are added after the products are rounded, in front of the dropout.
/// </remarks>
public sealed class TransformerLayer : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates a layer.</summary>
    /// <param name="hiddenSize">The features of inputs and outputs, 1 or more.</param>
    /// <param name="ffnHiddenSize">The features inside the MLP, 1 or more.</param>
    /// <param name="attentionHeadCount">The heads of queries, 1 or more.</param>
    /// <param name="options">What differs from Transformer Engine's defaults.</param>
    /// <exception cref="ArgumentException">Options do not fit together.</exception>
    public TransformerLayer(
        long hiddenSize,
        long ffnHiddenSize,
        long attentionHeadCount,
        TransformerLayerOptions? options = null
    )
        : base(nameof(TransformerLayer))
    {
        Options = options ?? new();
        CheckParallel(Options);
        var (returnsBias, isPost) = (!Options.ParallelAttentionMlp, Options.ApplyResidualConnectionPostLayerNorm);
        SelfAttention = new(
            hiddenSize,
            attentionHeadCount,
            Options,
            inputLayerNorm: !Options.OutputLayerNorm,
            returnBias: returnsBias,
            returnLayerNormOutput: isPost && !Options.OutputLayerNorm
        );
        InterAttention =
            Options.LayerType == TransformerLayerType.Decoder
                ? new(
                    hiddenSize,
                    attentionHeadCount,
                    Options with
                    {
                        MaskType = Options.EncoderDecoderMaskType,
                    },
                    AttentionType.Cross,
                    inputLayerNorm: true,
                    returnBias: true,
                    returnLayerNormOutput: isPost
                )
                : null;
        Mlp = new(
            hiddenSize,
            ffnHiddenSize,
            Options.Activation,
            new()
            {
                Eps = Options.LayerNormEps,
                Normalization = Options.Normalization,
                ZeroCenteredGamma = Options.ZeroCenteredGamma,
                HasBias = Options.HasBias,
                ReturnBias = returnsBias,
                ReturnLayerNormOutput = isPost,
                InitMethod = Options.InitMethod,
                DataType = Options.DataType,
                FuseWeightGradientAccumulation = Options.FuseWeightGradientAccumulation,
            },
            Options.OutputLayerInitMethod
        );
        OutputNorm = Options.OutputLayerNorm ? MakeNorm(hiddenSize) : null;
        RegisterComponents();
    }

    /// <summary>The options that it was made with.</summary>
    public TransformerLayerOptions Options { get; }

    /// <summary>The module <c>self_attention</c>.</summary>
    [field: ComponentName(Name = "self_attention")]
    public MultiheadAttention SelfAttention { get; }

    /// <summary>The module <c>inter_attention</c> of a decoder; else null.</summary>
    [field: ComponentName(Name = "inter_attention")]
    public MultiheadAttention? InterAttention { get; }

    /// <summary>The module <c>layernorm_mlp</c>.</summary>
    [field: ComponentName(Name = "layernorm_mlp")]
    public LayerNormMLP Mlp { get; }

    /// <summary>The module <c>layernorm</c>, a <see cref="LayerNorm" /> or <see cref="RMSNorm" />; null without
    /// <see cref="TransformerLayerOptions.OutputLayerNorm" />.</summary>
    [field: ComponentName(Name = "layernorm")]
    public nn.Module<Tensor, Tensor>? OutputNorm { get; }

    /// <summary>An encoder's layer without a mask of the caller.</summary>
    /// <param name="input">[sequence, batch, hidden], or [batch, sequence, hidden], as the options say.</param>
    /// <returns>Of the input's shape.</returns>
    public override Tensor forward(Tensor input) => forward(input, attentionMask: null);

    /// <summary>The layer.</summary>
    /// <param name="hiddenStates">[sequence, batch, hidden], or [batch, sequence, hidden], as the options say.</param>
    /// <param name="attentionMask">For self-attention: bool, true for what takes no part, for mask types that take one;
    /// else null.</param>
    /// <param name="encoderOutput">For a decoder, the output of the encoder; else null.</param>
    /// <param name="encoderDecoderMask">For cross-attention, as the attention mask.</param>
    /// <param name="isFirstMicrobatch">Whether weights are cached, as in
    /// <see cref="Linear.forward(Tensor, bool?)" />.</param>
    /// <returns>Of the shape of the hidden states.</returns>
    /// <exception cref="ArgumentException">A tensor is missing or too many, or does not fit.</exception>
    public Tensor forward(
        Tensor hiddenStates,
        Tensor? attentionMask,
        Tensor? encoderOutput = null,
        Tensor? encoderDecoderMask = null,
        bool? isFirstMicrobatch = null
    )
    {
        ArgumentNullException.ThrowIfNull(hiddenStates);
        CheckEncoder(encoderOutput, encoderDecoderMask);
        using var scope = NewDisposeScope();
        var x = hiddenStates.to(Autocast.Current(hiddenStates.device_type) ?? hiddenStates.dtype);
        var attended = SelfAttention.ForwardParts(x, attentionMask, isFirstMicrobatch: isFirstMicrobatch);
        if (Options.ParallelAttentionMlp)
        {
            var both = attended.Output + Mlp.forward(x, isFirstMicrobatch);
            return AddTo(x, new(both)).MoveToOuterDisposeScope();
        }

        x = AddTo(x, attended);
        if (InterAttention is not null)
        {
            x = AddTo(x, InterAttention.ForwardParts(x, encoderDecoderMask, encoderOutput, isFirstMicrobatch));
        }

        x = AddTo(x, Mlp.ForwardParts(x, isFirstMicrobatch));
        return (OutputNorm?.forward(x) ?? x).MoveToOuterDisposeScope();
    }

    private static void CheckParallel(TransformerLayerOptions options)
    {
        if (!options.ParallelAttentionMlp)
        {
            return;
        }

        var clash =
            options.LayerType != TransformerLayerType.Encoder ? $"LayerType {options.LayerType}"
            : options.ApplyResidualConnectionPostLayerNorm ? "ApplyResidualConnectionPostLayerNorm"
            : options.OutputLayerNorm ? "OutputLayerNorm"
            : null;
        if (clash is not null)
        {
            throw new ArgumentException(
                $"ParallelAttentionMlp and {clash} are not supported simultaneously; leave one out",
                nameof(options)
            );
        }
    }

    private void CheckEncoder(Tensor? encoderOutput, Tensor? mask)
    {
        if (InterAttention is null && (encoderOutput ?? mask) is not null)
        {
            throw new ArgumentException(
                "an encoder's layer takes no output of an encoder, and no mask for it; make it with LayerType Decoder",
                nameof(encoderOutput)
            );
        }

        if (InterAttention is not null && encoderOutput is null)
        {
            throw new ArgumentException("a decoder's layer needs the output of an encoder", nameof(encoderOutput));
        }
    }

    private nn.Module<Tensor, Tensor> MakeNorm(long hiddenSize) =>
        Options.Normalization == NormalizationKind.LayerNorm
            ? new LayerNorm(hiddenSize, Options.LayerNormEps, Options.ZeroCenteredGamma, Options.DataType)
            : new RMSNorm(hiddenSize, Options.LayerNormEps, Options.ZeroCenteredGamma, Options.DataType);

    // To what was normalized where the module returns it.
    private Tensor AddTo(Tensor residual, ModuleOutput output)
    {
        var shifted = output.Bias is { } bias ? output.Output + bias : output.Output;
        return (output.LayerNormOutput ?? residual) + nn.functional.dropout(shifted, Options.HiddenDropout, training);
    }
}
