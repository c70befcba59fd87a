using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>
/// Causal attention in which several query heads share a key and value head (grouped-query attention, arXiv
/// 2305.13245).
/// </summary>
internal sealed class LlamaAttention : nn.Module
{
    private readonly LlamaConfig _config;
    private readonly int _layer;

    [ComponentName(Name = "q_proj")]
    private readonly Linear _query;

    [ComponentName(Name = "k_proj")]
    private readonly Linear _key;

    [ComponentName(Name = "v_proj")]
    private readonly Linear _value;

    [ComponentName(Name = "o_proj")]
    private readonly Linear _output;

    public LlamaAttention(LlamaConfig config, int layer)
        : base(nameof(LlamaAttention))
    {
        (_config, _layer) = (config, layer);
        var (queries, keys) = (config.Heads * config.HeadSize, config.KeyValueHeads * config.HeadSize);
        _query = nn.Linear(config.HiddenSize, queries, config.AttentionBias);
        _key = nn.Linear(config.HiddenSize, keys, config.AttentionBias);
        _value = nn.Linear(config.HiddenSize, keys, config.AttentionBias);
        _output = nn.Linear(queries, config.HiddenSize, config.AttentionBias);
    }

    /// <param name="hidden">[batch, tokens, hidden size].</param>
    /// <param name="rotation">The turns of these tokens' positions.</param>
    /// <param name="cache">Where the earlier tokens are and these go; null for a text from its begin.</param>
    public Tensor Forward(Tensor hidden, Rotation rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var (batch, tokens) = (hidden.shape[0], hidden.shape[1]);
        var queries = rotation.Apply(Heads(_query, _config.Heads));
        var keys = rotation.Apply(Heads(_key, _config.KeyValueHeads));
        var values = Heads(_value, _config.KeyValueHeads);
        if (cache is not null)
        {
            (keys, values) = cache.Append(_layer, keys, values);
        }

        // The kernel's own causal mask begins at the first key, so it serves a text from its begin alone. A single
        // token sees all keys.
        var earlier = keys.shape[2] - tokens;
        var mask =
            earlier > 0 && tokens > 1
                ? ones(tokens, earlier + tokens, ScalarType.Bool, hidden.device).tril(earlier)
                : null;
        var attended = nn.functional.scaled_dot_product_attention(
            queries,
            Repeat(keys),
            Repeat(values),
            mask,
            is_casual: earlier == 0 && tokens > 1
        );
        var joined = attended.transpose(1, 2).reshape(batch, tokens, _config.Heads * _config.HeadSize);
        return _output.call(joined).MoveToOuterDisposeScope();

        Tensor Heads(Linear projection, long heads) =>
            projection.call(hidden).view(batch, tokens, heads, _config.HeadSize).transpose(1, 2);
    }

    // Each key and value head stands beside itself as often as query heads share it.
    private Tensor Repeat(Tensor heads)
    {
        var times = _config.Heads / _config.KeyValueHeads;
        var (batch, count, tokens, size) = (heads.shape[0], heads.shape[1], heads.shape[2], heads.shape[3]);
        return times == 1
            ? heads
            : heads.unsqueeze(2).expand(batch, count, times, tokens, size).reshape(batch, count * times, tokens, size);
    }
}
