using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Projects, adds to the stream and norms: transformers' BertSelfOutput and BertOutput.</summary>
internal sealed class BertResidual : nn.Module
{
    private readonly double _dropout;

    [ComponentName(Name = "dense")]
    private readonly Linear _dense;

    [ComponentName(Name = "LayerNorm")]
    private readonly LayerNorm _norm;

    public BertResidual(BertConfig config, long inputSize)
        : base(nameof(BertResidual))
    {
        _dropout = config.HiddenDropout;
        _dense = nn.Linear(inputSize, config.HiddenSize);
        _norm = nn.LayerNorm(config.HiddenSize, config.LayerNormEpsilon);
    }

    public Tensor Forward(Tensor input, Tensor stream)
    {
        using var scope = NewDisposeScope();
        var dropped = nn.functional.dropout(_dense.call(input), _dropout, training);
        return _norm.call(dropped + stream).MoveToOuterDisposeScope();
    }
}
