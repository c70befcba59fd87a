using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The gated feed-forward block (SwiGLU, arXiv 2002.05202): down(act(gate(x)) * up(x)).</summary>
internal sealed class LlamaFeedForward : nn.Module<Tensor, Tensor>
{
    private readonly Func<Tensor, Tensor> _activation;
    private readonly Linear _gate,
        _up,
        _down;

    public LlamaFeedForward(LlamaConfig config)
        : base(nameof(LlamaFeedForward))
    {
        _activation = Activation.ByName[config.Activation];
        _gate = nn.Linear(config.HiddenSize, config.IntermediateSize, config.FeedForwardBias);
        _up = nn.Linear(config.HiddenSize, config.IntermediateSize, config.FeedForwardBias);
        _down = nn.Linear(config.IntermediateSize, config.HiddenSize, config.FeedForwardBias);
        register_module("gate_proj", _gate);
        register_module("up_proj", _up);
        register_module("down_proj", _down);
    }

    public override Tensor forward(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        return _down.call(_activation(_gate.call(hidden)) * _up.call(hidden)).MoveToOuterDisposeScope();
    }
}
