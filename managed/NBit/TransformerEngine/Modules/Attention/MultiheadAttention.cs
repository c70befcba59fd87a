using NBit.Amp;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>Attention of several heads (arXiv:1706.03762) between linear layers that multiply in 8 bits inside
/// <see cref="Float8.Autocast" /> (Transformer Engine's <c>MultiheadAttention</c>).</summary>
/// <remarks>
/// Its children have Transformer Engine's names: <c>qkv</c> or <c>layernorm_qkv</c>; for cross-attention
/// <c>query_layer</c> or <c>layernorm_query</c>, and <c>key_value</c>; <c>q_norm</c> and <c>k_norm</c>; <c>proj</c>.
/// Where parameters are not fused, theirs are <c>query_weight</c>, <c>key_weight</c> and so on. The attention itself is
/// libtorch's, in the dtype of activations.
/// </remarks>
public sealed class MultiheadAttention : nn.Module<Tensor, Tensor>
{
    private readonly AttentionProjections _projections;
    private readonly (nn.Module<Tensor, Tensor> Query, nn.Module<Tensor, Tensor> Key)? _norms;
    private readonly (Linear Layer, bool ReturnsBias) _output;

    /// <summary>Creates a layer.</summary>
    /// <param name="hiddenSize">The features of inputs and outputs, 1 or more.</param>
    /// <param name="attentionHeadCount">The heads of queries, 1 or more.</param>
    /// <param name="options">What differs from Transformer Engine's defaults.</param>
    /// <param name="attentionType">Where keys and values come from.</param>
    /// <param name="inputLayerNorm">Whether the input is normalized before the first linear layer; the output of an
    /// encoder is not.</param>
    /// <param name="returnBias">Whether the last bias is not added, and returned by ForwardParts.</param>
    /// <param name="returnLayerNormOutput">Whether ForwardParts returns the normalized input.</param>
    /// <exception cref="ArgumentException">Options do not fit together.</exception>
    public MultiheadAttention(
        long hiddenSize,
        long attentionHeadCount,
        AttentionOptions? options = null,
        AttentionType attentionType = AttentionType.Self,
        bool inputLayerNorm = false,
        bool returnBias = false,
        bool returnLayerNormOutput = false
    )
        : base(nameof(MultiheadAttention))
    {
        Options = options ?? new();
        AttentionType = OptionChecks.Defined(attentionType, nameof(attentionType));
        if (Options is { FuseWeightGradientAccumulation: true, FuseQkvParameters: false })
        {
            throw new ArgumentException(
                "FuseWeightGradientAccumulation requires FuseQkvParameters: a weight in parts has no one gradient",
                nameof(options)
            );
        }

        if (returnLayerNormOutput && !inputLayerNorm)
        {
            throw new ArgumentException("returnLayerNormOutput requires inputLayerNorm", nameof(returnLayerNormOutput));
        }

        Heads = AttentionHeads.Of(hiddenSize, attentionHeadCount, Options);
        ReturnLayerNormOutput = returnLayerNormOutput;
        _projections = new(hiddenSize, Heads, Options, attentionType, inputLayerNorm, returnLayerNormOutput);
        _norms = MakeNorms();
        _output = (
            new(
                Heads.QuerySize,
                hiddenSize,
                Options.HasBias,
                Options.OutputLayerInitMethod,
                Options.DataType,
                Options.FuseWeightGradientAccumulation,
                returnBias
            ),
            returnBias
        );
        RegisterChildren();
    }

    /// <summary>The options that it was made with.</summary>
    public AttentionOptions Options { get; }

    /// <summary>Where keys and values come from.</summary>
    public AttentionType AttentionType { get; }

    /// <summary>Whether the last bias is not added, and returned by ForwardParts.</summary>
    public bool ReturnBias => _output.ReturnsBias;

    /// <summary>Whether ForwardParts returns the normalized input.</summary>
    public bool ReturnLayerNormOutput { get; }

    private AttentionHeads Heads { get; }

    /// <summary>Self-attention without a mask of the caller.</summary>
    /// <param name="input">[sequence, batch, hidden], or [batch, sequence, hidden], as the options say.</param>
    /// <returns>Of the input's shape.</returns>
    public override Tensor forward(Tensor input) => forward(input, attentionMask: null);

    /// <summary>The layer.</summary>
    /// <param name="hiddenStates">[sequence, batch, hidden], or [batch, sequence, hidden], as the options say.</param>
    /// <param name="attentionMask">bool, true for what takes no part, for mask types that take one; else null.</param>
    /// <param name="encoderOutput">The source of keys and values for cross-attention; else null.</param>
    /// <param name="isFirstMicrobatch">Whether weights are cached, as in
    /// <see cref="Linear.forward(Tensor, bool?)" />.</param>
    /// <returns>Of the shape of the hidden states.</returns>
    /// <exception cref="ArgumentException">A tensor is missing or too many, or does not fit.</exception>
    /// <exception cref="InvalidOperationException">The layer was made to return more than its output.</exception>
    public Tensor forward(
        Tensor hiddenStates,
        Tensor? attentionMask,
        Tensor? encoderOutput = null,
        bool? isFirstMicrobatch = null
    )
    {
        ModuleOutput.CheckSingle(this, ReturnBias, ReturnLayerNormOutput);
        return ForwardParts(hiddenStates, attentionMask, encoderOutput, isFirstMicrobatch).Output;
    }

    /// <summary>The layer, with what else it was made to return.</summary>
    /// <param name="hiddenStates">As in <see cref="forward(Tensor, Tensor?, Tensor?, bool?)" />.</param>
    /// <param name="attentionMask">As there.</param>
    /// <param name="encoderOutput">As there.</param>
    /// <param name="isFirstMicrobatch">As there.</param>
    /// <returns>The output, the bias where it is returned, and the normalized input where that is.</returns>
    /// <exception cref="ArgumentException">A tensor is missing or too many, or does not fit.</exception>
    public ModuleOutput ForwardParts(
        Tensor hiddenStates,
        Tensor? attentionMask = null,
        Tensor? encoderOutput = null,
        bool? isFirstMicrobatch = null
    )
    {
        Check(hiddenStates, attentionMask, encoderOutput);
        using var scope = NewDisposeScope();
        var dtype = Autocast.Current(hiddenStates.device_type) ?? hiddenStates.dtype;
        var (query, key, value, normalized) = _projections.Forward(
            hiddenStates.to(dtype),
            encoderOutput?.to(dtype),
            isFirstMicrobatch
        );
        if (_norms is { } norms)
        {
            (query, key) = (norms.Query.forward(query), norms.Key.forward(key));
        }

        var attended = DotProductAttention.Forward(
            query,
            key,
            value,
            Options.Format,
            Options.MaskType,
            attentionMask,
            training ? Options.AttentionDropout : 0
        );
        var (output, bias, _) = _output.Layer.ForwardParts(attended, isFirstMicrobatch);
        return new ModuleOutput(output, bias, normalized).MoveToOuterDisposeScope();
    }

    private (nn.Module<Tensor, Tensor> Query, nn.Module<Tensor, Tensor> Key)? MakeNorms()
    {
        return Options.QueryKeyNormalization == QueryKeyNormalization.None ? null : (Make(), Make());

        nn.Module<Tensor, Tensor> Make() =>
            Options.QueryKeyNormalization switch
            {
                QueryKeyNormalization.RMSNorm => new RMSNorm(
                    Heads.Channels,
                    Options.QueryKeyEps,
                    dtype: Options.DataType
                ),
                QueryKeyNormalization.LayerNorm => new LayerNorm(
                    Heads.Channels,
                    Options.QueryKeyEps,
                    dtype: Options.DataType
                ),
                _ => new L2Normalization(Options.QueryKeyEps),
            };
    }

    private void RegisterChildren()
    {
        foreach (var (name, module) in _projections.Modules)
        {
            register_module(name, module);
        }

        if (_norms is { } norms)
        {
            register_module("q_norm", norms.Query);
            register_module("k_norm", norms.Key);
        }

        register_module("proj", _output.Layer);
    }

    // All that can be refused is, before a linear layer notes an amax.
    private void Check(Tensor hiddenStates, Tensor? attentionMask, Tensor? encoderOutput)
    {
        ArgumentNullException.ThrowIfNull(hiddenStates);
        if ((AttentionType == AttentionType.Cross) != encoderOutput is not null)
        {
            throw new ArgumentException(
                AttentionType == AttentionType.Cross
                    ? "cross-attention needs the output of an encoder"
                    : "self-attention takes no output of an encoder; make the layer with AttentionType.Cross",
                nameof(encoderOutput)
            );
        }

        CheckSequence(hiddenStates, nameof(hiddenStates));
        var keys = encoderOutput ?? hiddenStates;
        CheckSequence(keys, nameof(encoderOutput));
        var (batch, sequence) = Options.Format == SequenceFormat.Sbhd ? (1, 0) : (0, 1);
        if (keys.shape[batch] != hiddenStates.shape[batch])
        {
            throw new ArgumentException(
                $"the output of the encoder has a batch of {keys.shape[batch]}, the hidden states of "
                    + $"{hiddenStates.shape[batch]}; they must agree",
                nameof(encoderOutput)
            );
        }

        DotProductAttention.CheckMask(
            Options.MaskType,
            attentionMask,
            [hiddenStates.shape[batch], Heads.Count, hiddenStates.shape[sequence], keys.shape[sequence]]
        );
    }

    private void CheckSequence(Tensor tensor, string name)
    {
        if (tensor.dim() != 3)
        {
            throw new ArgumentException(
                $"{name} is [{string.Join(", ", tensor.shape)}]; a layer of the format {Options.Format} takes "
                    + (
                        Options.Format == SequenceFormat.Sbhd
                            ? "[sequence, batch, hidden]"
                            : "[batch, sequence, hidden]"
                    ),
                name
            );
        }
    }
}
