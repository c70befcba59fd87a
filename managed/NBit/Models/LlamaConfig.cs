namespace NBit.Models;

/// <summary>The shape of a Llama: the fields of its config.json.</summary>
/// <remarks>
/// Llama 2 (arXiv 2307.09288): rotary embedding, SwiGLU, RMSNorm, grouped-query attention. Missing fields have
/// transformers' defaults.
/// </remarks>
public sealed record LlamaConfig : ModelConfig
{
    /// <inheritdoc />
    public override string Architecture => nameof(LlamaForCausalLM);

    /// <summary>The number of tokens that there are.</summary>
    public required long VocabularySize { get; init; }

    /// <summary>The width of the residual stream.</summary>
    public required long HiddenSize { get; init; }

    /// <summary>The width inside the feed-forward blocks.</summary>
    public required long IntermediateSize { get; init; }

    /// <summary>The number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>The number of query heads.</summary>
    public required long Heads { get; init; }

    /// <summary>The number of key and value heads; it divides <see cref="Heads" />.</summary>
    public required long KeyValueHeads { get; init; }

    /// <summary>The width of a head; even.</summary>
    public required long HeadSize { get; init; }

    /// <summary>The number of positions that the model was made for.</summary>
    public long MaxPositions { get; init; } = 2048;

    /// <summary>What RMSNorm adds to the mean square.</summary>
    public double RmsNormEpsilon { get; init; } = 1e-6;

    /// <summary>The rotary embedding.</summary>
    public RotaryConfig Rotary { get; init; } = new();

    /// <summary>Whether the projections of attention have a bias.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Whether the projections of the feed-forward blocks have a bias.</summary>
    public bool FeedForwardBias { get; init; }

    /// <summary>Whether the output projection is the embedding itself.</summary>
    public bool TiedEmbeddings { get; init; }

    /// <summary>The activation's name: silu, gelu, gelu_new, gelu_pytorch_tanh or relu.</summary>
    public string Activation { get; init; } = "silu";

    internal static ModelConfig Parse(JsonFields fields)
    {
        var heads = fields.Count("num_attention_heads");
        var hidden = fields.Count("hidden_size");
        var keyValueHeads = fields.Count("num_key_value_heads", heads);
        if (heads % keyValueHeads != 0)
        {
            throw fields.Error(
                "num_key_value_heads",
                $"{keyValueHeads}",
                $"a divisor of num_attention_heads ({heads})"
            );
        }

        var headSize = fields.Count("head_dim", Math.Max(hidden / heads, 1));
        if (headSize % 2 != 0)
        {
            throw fields.Error("head_dim", $"{headSize}", "an even number: the rotary embedding turns pairs");
        }

        _ = fields.OneOf("hidden_act", "silu", Models.Activation.ByName);
        var positions = fields.Count("max_position_embeddings", 2048);
        return new LlamaConfig
        {
            VocabularySize = fields.Count("vocab_size"),
            HiddenSize = hidden,
            IntermediateSize = fields.Count("intermediate_size"),
            Layers = (int)fields.Count("num_hidden_layers"),
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            MaxPositions = positions,
            RmsNormEpsilon = fields.Positive("rms_norm_eps", 1e-6),
            Rotary = RotaryConfig.Parse(fields),
            AttentionBias = fields.Flag("attention_bias", otherwise: false),
            FeedForwardBias = fields.Flag("mlp_bias", otherwise: false),
            TiedEmbeddings = fields.Flag("tie_word_embeddings", otherwise: false),
            Activation = fields.Text("hidden_act") ?? "silu",
        }.WithCommon<LlamaConfig>(fields);
    }
}
