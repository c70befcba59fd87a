namespace NBit.Models;

/// <summary>The shape of a BERT encoder (arXiv 1810.04805): the fields of its config.json.</summary>
/// <remarks>Missing fields have transformers' defaults.</remarks>
public sealed record BertConfig : ModelConfig
{
    /// <inheritdoc />
    public override string Architecture => nameof(BertModel);

    /// <summary>The number of tokens that there are.</summary>
    public required long VocabularySize { get; init; }

    /// <summary>The width of the residual stream.</summary>
    public required long HiddenSize { get; init; }

    /// <summary>The width inside the feed-forward blocks.</summary>
    public required long IntermediateSize { get; init; }

    /// <summary>The number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>The number of heads; it divides <see cref="HiddenSize" />.</summary>
    public required long Heads { get; init; }

    /// <summary>The number of positions that have an embedding: the longest text in tokens.</summary>
    public long MaxPositions { get; init; } = 512;

    /// <summary>The number of token types (sentence A and B).</summary>
    public long TokenTypes { get; init; } = 2;

    /// <summary>What the layer norms add to the variance.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-12;

    /// <summary>The activation's name: gelu, gelu_new, gelu_pytorch_tanh, relu or silu.</summary>
    public string Activation { get; init; } = "gelu";

    /// <summary>The share of hidden elements that training drops.</summary>
    public double HiddenDropout { get; init; } = 0.1;

    /// <summary>The share of attention weights that training drops.</summary>
    public double AttentionDropout { get; init; } = 0.1;

    /// <summary>Whether there is a pooler: a dense layer over the first token.</summary>
    public bool Pooler { get; init; } = true;

    internal static ModelConfig Parse(JsonFields fields)
    {
        var heads = fields.Count("num_attention_heads");
        var hidden = fields.Count("hidden_size");
        if (hidden % heads != 0)
        {
            throw fields.Error("num_attention_heads", $"{heads}", $"a divisor of hidden_size ({hidden})");
        }

        var positions = fields.Text("position_embedding_type") ?? "absolute";
        if (positions != "absolute")
        {
            throw new NotSupportedException(
                $"position_embedding_type is '{positions}'; supported is 'absolute': BERT's own embeddings of positions"
            );
        }

        _ = fields.OneOf("hidden_act", "gelu", Models.Activation.ByName);
        return new BertConfig
        {
            VocabularySize = fields.Count("vocab_size"),
            HiddenSize = hidden,
            IntermediateSize = fields.Count("intermediate_size"),
            Layers = (int)fields.Count("num_hidden_layers"),
            Heads = heads,
            MaxPositions = fields.Count("max_position_embeddings", 512),
            TokenTypes = fields.Count("type_vocab_size", 2),
            LayerNormEpsilon = fields.Positive("layer_norm_eps", 1e-12),
            Activation = fields.Text("hidden_act") ?? "gelu",
            HiddenDropout = Probability(fields, "hidden_dropout_prob"),
            AttentionDropout = Probability(fields, "attention_probs_dropout_prob"),
        }.WithCommon<BertConfig>(fields);
    }

    private static double Probability(JsonFields fields, string name)
    {
        var value = fields.NotNegative(name, 0.1);
        return value < 1 ? value : throw fields.Error(name, $"{value}", "a share from 0 to below 1");
    }
}
