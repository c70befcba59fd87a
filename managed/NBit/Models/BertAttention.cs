using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Attention among all tokens that the mask lets be seen: transformers' BertSelfAttention.</summary>
internal sealed class BertAttention : nn.Module
{
    private readonly BertConfig _config;
    private readonly Linear _query,
        _key,
        _value;

    public BertAttention(BertConfig config)
        : base(nameof(BertAttention))
    {
        _config = config;
        _query = nn.Linear(config.HiddenSize, config.HiddenSize);
        _key = nn.Linear(config.HiddenSize, config.HiddenSize);
        _value = nn.Linear(config.HiddenSize, config.HiddenSize);
        register_module("query", _query);
        register_module("key", _key);
        register_module("value", _value);
    }

    /// <param name="hidden">[batch, tokens, hidden size].</param>
    /// <param name="seen">Which keys are seen, bool [batch, 1, 1, tokens]; null for all.</param>
    public Tensor Forward(Tensor hidden, Tensor? seen)
    {
        using var scope = NewDisposeScope();
        var attended = nn.functional.scaled_dot_product_attention(
            Heads(_query),
            Heads(_key),
            Heads(_value),
            seen,
            training ? _config.AttentionDropout : 0
        );
        return attended.transpose(1, 2).flatten(2).MoveToOuterDisposeScope();

        Tensor Heads(Linear projection) =>
            projection
                .call(hidden)
                .view(hidden.shape[0], hidden.shape[1], _config.Heads, _config.HiddenSize / _config.Heads)
                .transpose(1, 2);
    }
}
