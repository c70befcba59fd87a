using NBit.TransformerEngine;
using NBit.TransformerEngine.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.TransformerEngine;

/// <summary>Transformer Engine's modules as compositions of libtorch's operators, of the parameters of a
/// module.</summary>
internal sealed class Composition
{
    private readonly Dictionary<string, Tensor> _parameters;

    /// <param name="module">The module, whose parameters are copied.</param>
    public Composition(nn.Module module) =>
        _parameters = module
            .named_parameters()
            .ToDictionary(
                pair => pair.name,
                pair => pair.parameter.detach().clone().requires_grad_(),
                StringComparer.Ordinal
            );

    /// <summary>The gradients of the parameters.</summary>
    public IReadOnlyDictionary<string, Tensor> Gradients =>
        _parameters.ToDictionary(pair => pair.Key, pair => pair.Value.grad!, StringComparer.Ordinal);

    public Tensor Norm(Tensor x, string prefix, NormalizationKind kind, double eps, bool zeroCentered)
    {
        var weight = zeroCentered ? _parameters[prefix + "weight"] + 1 : _parameters[prefix + "weight"];
        return kind == NormalizationKind.LayerNorm
            ? nn.functional.layer_norm(x, [x.shape[^1]], weight, _parameters[prefix + "bias"], eps)
            : x * (x.square().mean([-1], keepdim: true) + eps).rsqrt() * weight;
    }

    public Tensor Norm(Tensor x, string prefix, LayerNormModuleOptions options) =>
        Norm(x, prefix + "layer_norm_", options.Normalization, options.Eps, options.ZeroCenteredGamma);

    /// <summary>A linear layer, of parts where their names are given.</summary>
    public Tensor Linear(Tensor x, string prefix, params string[] parts) =>
        cat(
            [
                .. (parts.Length == 0 ? [""] : parts.Select(part => part + "_")).Select(part =>
                    nn.functional.linear(
                        x,
                        _parameters[$"{prefix}{part}weight"],
                        _parameters.GetValueOrDefault($"{prefix}{part}bias")
                    )
                ),
            ],
            -1
        );

    public Tensor Mlp(Tensor normalized, string prefix, string activation) =>
        Linear(Activate(activation, Linear(normalized, prefix + "fc1_")), prefix + "fc2_");

    /// <summary>What the names of activations mean, by libtorch.</summary>
    public static Tensor Activate(string name, Tensor x)
    {
        var halves = x.chunk(2, -1);
        return name switch
        {
            "gelu" => nn.functional.gelu(x, GELU.Approximate.tanh),
            "geglu" => nn.functional.gelu(halves[0], GELU.Approximate.tanh) * halves[1],
            "glu" => halves[0].sigmoid() * halves[1],
            "qgelu" => x * (x * 1.702).sigmoid(),
            "qgeglu" => halves[0] * (halves[0] * 1.702).sigmoid() * halves[1],
            "relu" => nn.functional.relu(x),
            "reglu" => nn.functional.relu(halves[0]) * halves[1],
            "srelu" => nn.functional.relu(x).pow(2),
            "sreglu" => nn.functional.relu(halves[0]).pow(2) * halves[1],
            "silu" => nn.functional.silu(x),
            "swiglu" => nn.functional.silu(halves[0]) * halves[1],
            "clamped_swiglu" => Clamped(halves[0].clamp_max(7), halves[1].clamp(-7, 7)),
            _ => throw new ArgumentException($"{name} is no activation", nameof(name)),
        };

        static Tensor Clamped(Tensor a, Tensor b) => a * (1.702 * a).sigmoid() * (b + 1);
    }

    /// <summary>A MultiheadAttention with its first norm left out.</summary>
    /// <param name="x">What queries come from, [batch, sequence, hidden].</param>
    /// <param name="source">What keys and values come from.</param>
    /// <param name="layers">The names of the layers of queries, and of keys and values; the same for a layer of
    /// all.</param>
    /// <param name="prefix">What the names of parameters begin with.</param>
    /// <param name="heads">The number of heads.</param>
    /// <param name="options">The module's options.</param>
    /// <param name="masked">bool, true for what takes no part; or null.</param>
    public Tensor Attention(
        Tensor x,
        Tensor source,
        (string Query, string KeyValue) layers,
        string prefix,
        long heads,
        AttentionOptions options,
        Tensor? masked
    )
    {
        var channels = options.KvChannels ?? x.shape[^1] / heads;
        var groups = options.GqaGroupCount ?? heads;
        var (query, keyValue) = ($"{prefix}{layers.Query}.", $"{prefix}{layers.KeyValue}.");
        Tensor[] parts;
        if (!options.FuseQkvParameters)
        {
            string[] own = layers.Query == "query_layer" ? [] : ["query"];
            parts = [Linear(x, query, own), Linear(source, keyValue, "key"), Linear(source, keyValue, "value")];
        }
        else if (layers.Query == layers.KeyValue)
        {
            parts = Arranged(Linear(x, query), [heads / groups, 1, 1], groups, channels, options);
        }
        else
        {
            parts = [Linear(x, query), .. Arranged(Linear(source, keyValue), [1, 1], groups, channels, options)];
        }

        var (q, k, v) = (ByHead(parts[0]), ByHead(parts[1]), ByHead(parts[2]));
        if (options.QueryKeyNormalization == QueryKeyNormalization.L2Normalization)
        {
            (q, k) = (Unit(q), Unit(k));
        }
        else if (options.QueryKeyNormalization != QueryKeyNormalization.None)
        {
            var kind = Enum.Parse<NormalizationKind>($"{options.QueryKeyNormalization}");
            q = Norm(q, prefix + "q_norm.", kind, options.QueryKeyEps, zeroCentered: false);
            k = Norm(k, prefix + "k_norm.", kind, options.QueryKeyEps, zeroCentered: false);
        }

        return Linear(Attend(q, k, v, masked), prefix + "proj.");

        Tensor ByHead(Tensor features) =>
            features.view(features.shape[0], features.shape[1], -1, channels).transpose(1, 2);

        Tensor Unit(Tensor tensor) => tensor / (tensor.square().sum(-1, keepdim: true) + options.QueryKeyEps).sqrt();
    }

    private static Tensor[] Arranged(
        Tensor mixed,
        long[] headsPerGroup,
        long groups,
        long channels,
        AttentionOptions options
    )
    {
        if (!options.InterleaveQkvWeight)
        {
            return mixed.split([.. headsPerGroup.Select(count => count * groups * channels)], -1);
        }

        // Head by head: those of the queries of a group, of its key, of its value; then the next group.
        var perGroup = headsPerGroup.Sum();
        var all = mixed.split(channels, -1);
        var first = 0L;
        return
        [
            .. headsPerGroup.Select(count =>
            {
                var start = first;
                first += count;
                return cat([.. all.Where((_, i) => i % perGroup >= start && i % perGroup < start + count)], -1);
            }),
        ];
    }

    /// <summary>Attention by its formula: softmax(q k^T / sqrt(d)) v of each head.</summary>
    /// <param name="q">[batch, heads, queries, channels].</param>
    /// <param name="k">[batch, groups, keys, channels].</param>
    /// <param name="v">[batch, groups, keys, channels].</param>
    /// <param name="masked">bool, true for what takes no part; or null.</param>
    /// <returns>[batch, queries, heads * channels].</returns>
    public static Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? masked)
    {
        var perGroup = q.shape[1] / k.shape[1];
        var heads = Enumerable
            .Range(0, (int)q.shape[1])
            .Select(head =>
            {
                var (keys, values) = (k.select(1, head / perGroup), v.select(1, head / perGroup));
                var scores = q.select(1, head).matmul(keys.transpose(1, 2)) / Math.Sqrt(q.shape[3]);
                if (masked is not null)
                {
                    var mask = masked.dim() == 4 ? masked.select(1, masked.shape[1] == 1 ? 0 : head) : masked;
                    scores = scores.masked_fill(mask, double.NegativeInfinity);
                }

                return nn.functional.softmax(scores, -1).matmul(values);
            });
        return cat([.. heads], -1);
    }
}
