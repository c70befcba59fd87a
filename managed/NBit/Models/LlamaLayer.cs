using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>One layer: attention and feed-forward, each on the normed stream and added to it.</summary>
internal sealed class LlamaLayer : nn.Module
{
    private readonly RmsNorm _attentionNorm,
        _feedForwardNorm;
    private readonly LlamaAttention _attention;
    private readonly LlamaFeedForward _feedForward;

    public LlamaLayer(LlamaConfig config, int layer)
        : base(nameof(LlamaLayer))
    {
        _attentionNorm = new RmsNorm(config.HiddenSize, config.RmsNormEpsilon);
        _attention = new LlamaAttention(config, layer);
        _feedForwardNorm = new RmsNorm(config.HiddenSize, config.RmsNormEpsilon);
        _feedForward = new LlamaFeedForward(config);
        register_module("self_attn", _attention);
        register_module("mlp", _feedForward);
        register_module("input_layernorm", _attentionNorm);
        register_module("post_attention_layernorm", _feedForwardNorm);
    }

    public Tensor Forward(Tensor hidden, Rotation rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var attended = hidden + _attention.Forward(_attentionNorm.call(hidden), rotation, cache);
        return (attended + _feedForward.call(_feedForwardNorm.call(attended))).MoveToOuterDisposeScope();
    }
}
