using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The sum of the embeddings of token, position and token type, normed.</summary>
internal sealed class BertEmbeddings : nn.Module
{
    private readonly BertConfig _config;

    [ComponentName(Name = "word_embeddings")]
    private readonly Embedding _words;

    [ComponentName(Name = "position_embeddings")]
    private readonly Embedding _positions;

    [ComponentName(Name = "token_type_embeddings")]
    private readonly Embedding _types;

    [ComponentName(Name = "LayerNorm")]
    private readonly LayerNorm _norm;

    public BertEmbeddings(BertConfig config)
        : base(nameof(BertEmbeddings))
    {
        _config = config;
        _words = TokenEmbedding.Create(config.VocabularySize, config.HiddenSize);
        _positions = TokenEmbedding.Create(config.MaxPositions, config.HiddenSize);
        _types = TokenEmbedding.Create(config.TokenTypes, config.HiddenSize);
        _norm = nn.LayerNorm(config.HiddenSize, config.LayerNormEpsilon);
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
