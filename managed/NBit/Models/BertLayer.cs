using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>One layer: attention and feed-forward, each added to the stream and normed after it.</summary>
internal sealed class BertLayer : nn.Module
{
    [ComponentName(Name = "attention")]
    private readonly BertAttention _attention;

    [ComponentName(Name = "intermediate")]
    private readonly BertIntermediate _intermediate;

    [ComponentName(Name = "output")]
    private readonly BertResidual _output;

    public BertLayer(BertConfig config)
        : base(nameof(BertLayer))
    {
        _attention = new BertAttention(config);
        _intermediate = new BertIntermediate(config);
        _output = new BertResidual(config, config.IntermediateSize);
    }

    public Tensor Forward(Tensor hidden, Tensor? seen)
    {
        using var attended = _attention.Forward(hidden, seen);
        using var wide = _intermediate.call(attended);
        return _output.Forward(wide, attended);
    }
}
