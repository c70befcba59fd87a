using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>What options make of MultiheadAttention, and which are refused.</summary>
public sealed class AttentionOptionTests : DisposeScopeFixture
{
    private const int Heads = 4;
    private const int Hidden = 32;
    private static readonly TE.AttentionOptions Plain = new() { AttentionDropout = 0 };

    private static readonly (TE.AttentionOptions Options, TE.AttentionType Type, bool Norms, string Names)[] Named =
    [
        (
            Plain,
            TE.AttentionType.Self,
            false,
            "qkv.query_weight [32, 32], qkv.key_weight [32, 32], qkv.value_weight [32, 32], qkv.query_bias [32], "
                + "qkv.key_bias [32], qkv.value_bias [32], proj.weight [32, 32], proj.bias [32]"
        ),
        (
            Plain with
            {
                GqaGroupCount = 2,
                KvChannels = 6,
                HasBias = false,
            },
            TE.AttentionType.Self,
            true,
            "layernorm_qkv.layer_norm_weight [32], layernorm_qkv.layer_norm_bias [32], "
                + "layernorm_qkv.query_weight [24, 32], layernorm_qkv.key_weight [12, 32], "
                + "layernorm_qkv.value_weight [12, 32], proj.weight [32, 24]"
        ),
        (
            Plain with
            {
                FuseQkvParameters = true,
                QueryKeyNormalization = TE.QueryKeyNormalization.RMSNorm,
            },
            TE.AttentionType.Self,
            false,
            "qkv.weight [96, 32], qkv.bias [96], q_norm.weight [8], k_norm.weight [8], "
                + "proj.weight [32, 32], proj.bias [32]"
        ),
        (
            Plain with
            {
                HasBias = false,
            },
            TE.AttentionType.Cross,
            false,
            "query_layer.weight [32, 32], key_value.key_weight [32, 32], key_value.value_weight [32, 32], "
                + "proj.weight [32, 32]"
        ),
        (
            Plain with
            {
                HasBias = false,
                Normalization = NormalizationKind.RMSNorm,
            },
            TE.AttentionType.Cross,
            true,
            "layernorm_query.layer_norm_weight [32], layernorm_query.query_weight [32, 32], "
                + "key_value.key_weight [32, 32], key_value.value_weight [32, 32], proj.weight [32, 32]"
        ),
        (
            Plain with
            {
                FuseQkvParameters = true,
                HasBias = false,
            },
            TE.AttentionType.Cross,
            true,
            "layernorm_query.layer_norm_weight [32], layernorm_query.layer_norm_bias [32], "
                + "layernorm_query.weight [32, 32], key_value.weight [64, 32], proj.weight [32, 32]"
        ),
    ];

    [Test]
    public void Parameters_have_the_names_and_sizes_of_Transformer_Engine([Range(0, 5)] int index)
    {
        var (options, type, norms, names) = Named[index];
        using var module = new TE.MultiheadAttention(Hidden, Heads, options, type, norms);
        Assert.That(
            string.Join(
                ", ",
                module.named_parameters().Select(pair => $"{pair.name} [{string.Join(", ", pair.parameter.shape)}]")
            ),
            Is.EqualTo(names)
        );
    }

    private static TE.MultiheadAttention Make(
        TE.AttentionOptions? options = null,
        TE.AttentionType type = TE.AttentionType.Self
    ) => new(Hidden, Heads, options ?? Plain, type);

    private static readonly (string Message, Action Make)[] Refused =
    [
        ("not divisible by 5 heads", () => new TE.MultiheadAttention(Hidden, 5)),
        ("must be divisible by the number of GQA groups", () => Make(Plain with { GqaGroupCount = 3 })),
        ("must be divisible by the number of GQA groups", () => Make(Plain with { GqaGroupCount = 0 })),
        ("channels", () => Make(Plain with { KvChannels = 0 })),
        ("hiddenSize", () => new TE.MultiheadAttention(0, 1)),
        ("AttentionDropout is a probability", () => Make(Plain with { AttentionDropout = 1.5 })),
        (
            "MaskType 9 is not supported; use one of Causal",
            () => Make(Plain with { MaskType = (TE.AttentionMaskType)9 })
        ),
        ("Format 2 is not supported", () => Make(Plain with { Format = (TE.SequenceFormat)2 })),
        ("attentionType 2 is not supported", () => Make(type: (TE.AttentionType)2)),
        ("requires FuseQkvParameters", () => Make(Plain with { FuseWeightGradientAccumulation = true })),
        ("requires inputLayerNorm", () => new TE.MultiheadAttention(Hidden, Heads, returnLayerNormOutput: true)),
        ("takes [sequence, batch, hidden]", () => Make().forward(ones(2, Hidden))),
        ("takes no output of an encoder", () => Make().forward(ones(2, 1, Hidden), null, ones(2, 1, Hidden))),
        ("needs the output of an encoder", () => Make(type: TE.AttentionType.Cross).forward(ones(2, 1, Hidden))),
        (
            "has a batch of 3",
            () => Make(type: TE.AttentionType.Cross).forward(ones(2, 1, Hidden), null, ones(2, 3, Hidden))
        ),
        ("takes no attention mask", () => Make().forward(ones(2, 1, Hidden), zeros([1, 1, 1, 2], ScalarType.Bool))),
        (
            "needs an attention mask",
            () => Make(Plain with { MaskType = TE.AttentionMaskType.Padding }).forward(ones(2, 1, Hidden))
        ),
        (
            "must be a boolean tensor",
            () =>
                Make(Plain with { MaskType = TE.AttentionMaskType.Padding })
                    .forward(ones(2, 1, Hidden), zeros(1, 1, 1, 2))
        ),
        (
            "it must broadcast to",
            () =>
                Make(Plain with { MaskType = TE.AttentionMaskType.Arbitrary })
                    .forward(ones(2, 1, Hidden), zeros([3, 2], ScalarType.Bool))
        ),
    ];

    [Test]
    public void What_does_not_fit_is_refused([Range(0, 18)] int index) =>
        Assert.That(
            () => Refused[index].Make(),
            Throws.InstanceOf<ArgumentException>().With.Message.Contains(Refused[index].Message)
        );
}
