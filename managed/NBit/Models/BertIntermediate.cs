using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The first half of the feed-forward block: act(dense(x)).</summary>
internal sealed class BertIntermediate : nn.Module<Tensor, Tensor>
{
    private readonly Func<Tensor, Tensor> _activation;

    [ComponentName(Name = "dense")]
    private readonly Linear _dense;

    public BertIntermediate(BertConfig config)
        : base(nameof(BertIntermediate))
    {
        _activation = Activation.ByName[config.Activation];
        _dense = nn.Linear(config.HiddenSize, config.IntermediateSize);
    }

    public override Tensor forward(Tensor hidden)
    {
        using var wide = _dense.call(hidden);
        return _activation(wide);
    }
}
