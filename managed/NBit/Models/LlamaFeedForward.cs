using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The gated feed-forward block (SwiGLU, arXiv 2002.05202): down(act(gate(x)) * up(x)).</summary>
internal sealed class LlamaFeedForward : nn.Module<Tensor, Tensor>
{
    private readonly Func<Tensor, Tensor> _activation;

    [ComponentName(Name = "gate_proj")]
    private readonly Linear _gate;

    [ComponentName(Name = "up_proj")]
    private readonly Linear _up;

    [ComponentName(Name = "down_proj")]
    private readonly Linear _down;

    public LlamaFeedForward(LlamaConfig config)
        : base(nameof(LlamaFeedForward))
    {
        _activation = Activation.ByName[config.Activation];
        _gate = nn.Linear(config.HiddenSize, config.IntermediateSize, config.FeedForwardBias);
        _up = nn.Linear(config.HiddenSize, config.IntermediateSize, config.FeedForwardBias);
        _down = nn.Linear(config.IntermediateSize, config.HiddenSize, config.FeedForwardBias);
    }

    public override Tensor forward(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        return _down.call(_activation(_gate.call(hidden)) * _up.call(hidden)).MoveToOuterDisposeScope();
    }
}
