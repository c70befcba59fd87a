using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The layers between the embedding and the output projection: transformers' LlamaModel.</summary>
internal sealed class LlamaDecoder : nn.Module
{
    [ComponentName(Name = "embed_tokens")]
    private readonly Embedding _embedding;

    [ComponentName(Name = "layers")]
    private readonly ModuleList<LlamaLayer> _layers;

    [ComponentName(Name = "norm")]
    private readonly RmsNorm _norm;

    private readonly RotaryEmbedding _rotary;

    public LlamaDecoder(LlamaConfig config)
        : base(nameof(LlamaDecoder))
    {
        _embedding = TokenEmbedding.Create(config.VocabularySize, config.HiddenSize);
        _layers = nn.ModuleList([.. Enumerable.Range(0, config.Layers).Select(layer => new LlamaLayer(config, layer))]);
        _norm = new RmsNorm(config.HiddenSize, config.RmsNormEpsilon);
        _rotary = new RotaryEmbedding(config);
    }

    public Tensor Forward(Tensor ids, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var hidden = _embedding.call(ids);
        var rotation = _rotary.At(cache?.Length ?? 0, ids.shape[1], hidden);
        foreach (var layer in _layers)
        {
            hidden = layer.Forward(hidden, rotation, cache);
        }

        cache?.Advance(ids.shape[1]);
        return _norm.call(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>The product with the embedding, in place of an output projection.</summary>
    public Tensor TiedLogits(Tensor hidden)
    {
        using var weight = _embedding.weight;
        return nn.functional.linear(hidden, weight!);
    }
}
