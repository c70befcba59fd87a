using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Attention among all tokens that the mask lets be seen: transformers' BertSelfAttention.</summary>
internal sealed class BertSelfAttention : nn.Module
{
    private readonly BertConfig _config;

    [ComponentName(Name = "query")]
    private readonly Linear _query;

    [ComponentName(Name = "key")]
    private readonly Linear _key;

    [ComponentName(Name = "value")]
    private readonly Linear _value;

    public BertSelfAttention(BertConfig config)
        : base(nameof(BertSelfAttention))
    {
        _config = config;
        _query = nn.Linear(config.HiddenSize, config.HiddenSize);
        _key = nn.Linear(config.HiddenSize, config.HiddenSize);
        _value = nn.Linear(config.HiddenSize, config.HiddenSize);
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
