using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The sum of the embeddings of token, position and token type, normed.</summary>
internal sealed class BertEmbeddings : nn.Module
{
    private readonly BertConfig _config;
    private readonly Embedding _words,
        _positions,
        _types;
    private readonly LayerNorm _norm;

    public BertEmbeddings(BertConfig config)
        : base(nameof(BertEmbeddings))
    {
        _config = config;
        _words = TokenEmbedding.Create(config.VocabularySize, config.HiddenSize);
        _positions = TokenEmbedding.Create(config.MaxPositions, config.HiddenSize);
        _types = TokenEmbedding.Create(config.TokenTypes, config.HiddenSize);
        _norm = nn.LayerNorm(config.HiddenSize, config.LayerNormEpsilon);
        register_module("word_embeddings", _words);
        register_module("position_embeddings", _positions);
        register_module("token_type_embeddings", _types);
        register_module("LayerNorm", _norm);
    }

    public Tensor Forward(Tensor ids, Tensor? types)
    {
        using var scope = NewDisposeScope();
        var positions = arange(ids.shape[1], ScalarType.Int64, ids.device);
        var sum = _words.call(ids) + _types.call(types ?? zeros_like(ids)) + _positions.call(positions);
        var normed = _norm.call(sum);
        return nn.functional.dropout(normed, _config.HiddenDropout, training).MoveToOuterDisposeScope();
    }
}
