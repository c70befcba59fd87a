using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>The linear layers that make queries, keys and values, as Transformer Engine names and arranges
/// them.</summary>
internal sealed class AttentionProjections
{
    private readonly AttentionHeads _heads;
    private readonly AttentionOptions _options;
    private readonly LayerNormModuleOptions? _normed;
    private readonly IProjection _first;
    private readonly IProjection? _keyValue;
    private readonly List<(string Name, nn.Module Module)> _modules = [];

    /// <param name="hiddenSize">The features of inputs.</param>
    /// <param name="heads">The heads.</param>
    /// <param name="options">The options of the attention layer.</param>
    /// <param name="type">Where keys and values come from.</param>
    /// <param name="inputLayerNorm">Whether the input of queries, and with self-attention of all, is
    /// normalized.</param>
    /// <param name="returnLayerNormOutput">Whether that is returned.</param>
    public AttentionProjections(
        long hiddenSize,
        AttentionHeads heads,
        AttentionOptions options,
        AttentionType type,
        bool inputLayerNorm,
        bool returnLayerNormOutput
    )
    {
        (_heads, _options) = (heads, options);
        _normed = inputLayerNorm
            ? new()
            {
                Eps = options.LayerNormEps,
                Normalization = options.Normalization,
                ZeroCenteredGamma = options.ZeroCenteredGamma,
                HasBias = options.HasBias,
                ReturnLayerNormOutput = returnLayerNormOutput,
                InitMethod = options.InitMethod,
                DataType = options.DataType,
                FuseWeightGradientAccumulation = options.FuseWeightGradientAccumulation,
            }
            : null;
        var (query, key, value) = (("query", heads.QuerySize), ("key", heads.KeySize), ("value", heads.KeySize));
        if (type == AttentionType.Self)
        {
            _first = Make(inputLayerNorm ? "layernorm_qkv" : "qkv", inputLayerNorm, hiddenSize, [query, key, value]);
            return;
        }

        _first = inputLayerNorm
            ? Make("layernorm_query", normed: true, hiddenSize, [query])
            : Make("query_layer", normed: false, hiddenSize, [("", heads.QuerySize)]);
        _keyValue = Make("key_value", normed: false, hiddenSize, [key, value]);
    }

    /// <summary>The layers with their names.</summary>
    public IReadOnlyList<(string Name, nn.Module Module)> Modules => _modules;

    /// <summary>Makes queries, keys and values.</summary>
    /// <param name="hiddenStates">[.., .., hidden].</param>
    /// <param name="encoderOutput">[.., .., hidden], for cross-attention.</param>
    /// <param name="isFirstMicrobatch">Whether weights are cached.</param>
    /// <returns>[.., .., heads, channels], keys and values with as many heads as there are groups; and the normalized
    /// input where it is returned.</returns>
    public (Tensor Query, Tensor Key, Tensor Value, Tensor? LayerNormOutput) Forward(
        Tensor hiddenStates,
        Tensor? encoderOutput,
        bool? isFirstMicrobatch
    )
    {
        if (_keyValue is null)
        {
            var mixed = _first.ForwardParts(hiddenStates, isFirstMicrobatch);
            var parts = Parts(mixed.Output, [_heads.PerGroup, 1, 1]);
            return (parts[0], parts[1], parts[2], mixed.LayerNormOutput);
        }

        var both = Parts(_keyValue.ForwardParts(encoderOutput!, isFirstMicrobatch).Output, [1, 1]);
        var query = _first.ForwardParts(hiddenStates, isFirstMicrobatch);
        return (_heads.Split(query.Output), both[0], both[1], query.LayerNormOutput);
    }

    // Features in the order of the weight's rows: by groups, or by what they are.
    private Tensor[] Parts(Tensor features, long[] headsPerGroup)
    {
        if (!_options.FuseQkvParameters || !_options.InterleaveQkvWeight)
        {
            return
            [
                .. features.split([.. headsPerGroup.Select(heads => heads * _heads.KeySize)], -1).Select(_heads.Split),
            ];
        }

        var groups = features.reshape([.. features.shape[..^1], _heads.Groups, -1, _heads.Channels]);
        return [.. groups.split(headsPerGroup, -2).Select(part => _heads.Split(part.flatten(-3)))];
    }

    private IProjection Make(string name, bool normed, long hiddenSize, (string Name, long Size)[] parts)
    {
        var isWhole = _options.FuseQkvParameters || parts[0].Name.Length == 0;
        var size = parts.Sum(part => part.Size);
        nn.Module module = (normed, isWhole) switch
        {
            (true, _) => new LayerNormLinear(hiddenSize, size, _normed, isWhole ? null : parts),
            (false, true) => new Linear(
                hiddenSize,
                size,
                _options.HasBias,
                _options.InitMethod,
                _options.DataType,
                _options.FuseWeightGradientAccumulation
            ),
            (false, false) => new SplitLinear(
                hiddenSize,
                parts,
                _options.HasBias,
                _options.InitMethod,
                _options.DataType
            ),
        };
        _modules.Add((name, module));
        return (IProjection)module;
    }
}
