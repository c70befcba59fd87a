using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The layers one after the other.</summary>
internal sealed class BertEncoder : nn.Module
{
    [ComponentName(Name = "layer")]
    private readonly ModuleList<BertLayer> _layers;

    public BertEncoder(BertConfig config)
        : base(nameof(BertEncoder))
    {
        _layers = nn.ModuleList([.. Enumerable.Range(0, config.Layers).Select(_ => new BertLayer(config))]);
    }

    public Tensor Forward(Tensor hidden, Tensor? seen)
    {
        using var scope = NewDisposeScope();
        var stream = hidden;
        foreach (var layer in _layers)
        {
            stream = layer.Forward(stream, seen);
        }

        return stream.MoveToOuterDisposeScope();
    }
}
