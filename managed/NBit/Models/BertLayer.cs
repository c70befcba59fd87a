using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>One layer: attention and feed-forward, each added to the stream and normed after it.</summary>
internal sealed class BertLayer : nn.Module
{
    private readonly BertAttention _attention;
    private readonly BertResidual _attentionOutput,
        _output;
    private readonly Linear _intermediate;
    private readonly Func<Tensor, Tensor> _activation;

    public BertLayer(BertConfig config)
        : base(nameof(BertLayer))
    {
        _activation = Activation.ByName[config.Activation];
        _attention = new BertAttention(config);
        _attentionOutput = new BertResidual(config, config.HiddenSize);
        _intermediate = nn.Linear(config.HiddenSize, config.IntermediateSize);
        _output = new BertResidual(config, config.IntermediateSize);
        register_module("attention", new Group(("self", _attention), ("output", _attentionOutput)));
        register_module("intermediate", new Group(("dense", _intermediate)));
        register_module("output", _output);
    }

    public Tensor Forward(Tensor hidden, Tensor? seen)
    {
        using var scope = NewDisposeScope();
        var attended = _attentionOutput.Forward(_attention.Forward(hidden, seen), hidden);
        return _output.Forward(_activation(_intermediate.call(attended)), attended).MoveToOuterDisposeScope();
    }

    /// <summary>A step in the names of transformers' tensors, and nothing else.</summary>
    private sealed class Group : nn.Module
    {
        public Group(params ReadOnlySpan<(string Name, nn.Module Module)> children)
            : base(nameof(Group))
        {
            foreach (var (name, module) in children)
            {
                register_module(name, module);
            }
        }
    }
}
