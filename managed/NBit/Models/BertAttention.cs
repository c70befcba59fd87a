using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Attention, added to the stream and normed.</summary>
internal sealed class BertAttention : nn.Module
{
    [ComponentName(Name = "self")]
    private readonly BertSelfAttention _attention;

    [ComponentName(Name = "output")]
    private readonly BertResidual _output;

    public BertAttention(BertConfig config)
        : base(nameof(BertAttention))
    {
        _attention = new BertSelfAttention(config);
        _output = new BertResidual(config, config.HiddenSize);
    }

    public Tensor Forward(Tensor hidden, Tensor? seen)
    {
        using var attended = _attention.Forward(hidden, seen);
        return _output.Forward(attended, hidden);
    }
}
