using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>One layer: attention and feed-forward, each on the normed stream and added to it.</summary>
internal sealed class LlamaLayer : nn.Module
{
    [ComponentName(Name = "input_layernorm")]
    private readonly RmsNorm _attentionNorm;

    [ComponentName(Name = "post_attention_layernorm")]
    private readonly RmsNorm _feedForwardNorm;

    [ComponentName(Name = "self_attn")]
    private readonly LlamaAttention _attention;

    [ComponentName(Name = "mlp")]
    private readonly LlamaFeedForward _feedForward;

    public LlamaLayer(LlamaConfig config, int layer)
        : base(nameof(LlamaLayer))
    {
        _attentionNorm = new RmsNorm(config.HiddenSize, config.RmsNormEpsilon);
        _attention = new LlamaAttention(config, layer);
        _feedForwardNorm = new RmsNorm(config.HiddenSize, config.RmsNormEpsilon);
        _feedForward = new LlamaFeedForward(config);
    }

    public Tensor Forward(Tensor hidden, Rotation rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var attended = hidden + _attention.Forward(_attentionNorm.call(hidden), rotation, cache);
        return (attended + _feedForward.call(_feedForwardNorm.call(attended))).MoveToOuterDisposeScope();
    }
}
