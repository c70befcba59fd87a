using NBit.Amp;
using NBit.Tests.Training;
using NBit.TransformerEngine;
using TorchSharp;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>MultiheadAttention.</summary>
public sealed class AttentionTests : DisposeScopeFixture
{
    private const int Heads = 4;
    private const int Hidden = 32;
    private static readonly TE.AttentionOptions Plain = new() { AttentionDropout = 0 };

    private static readonly TE.AttentionOptions[] Options =
    [
        Plain,
        Plain with
        {
            MaskType = TE.AttentionMaskType.NoMask,
            HasBias = false,
        },
        Plain with
        {
            Format = TE.SequenceFormat.Bshd,
            KvChannels = 6,
        },
        Plain with
        {
            GqaGroupCount = 2,
        },
        Plain with
        {
            GqaGroupCount = 1,
            FuseQkvParameters = true,
        },
        Plain with
        {
            GqaGroupCount = 2,
            FuseQkvParameters = true,
            InterleaveQkvWeight = false,
        },
        Plain with
        {
            FuseQkvParameters = true,
            QueryKeyNormalization = TE.QueryKeyNormalization.L2Normalization,
        },
        Plain with
        {
            QueryKeyNormalization = TE.QueryKeyNormalization.RMSNorm,
            QueryKeyEps = 0.01,
        },
        Plain with
        {
            QueryKeyNormalization = TE.QueryKeyNormalization.LayerNorm,
            KvChannels = 12,
        },
        Plain with
        {
            ZeroCenteredGamma = true,
            LayerNormEps = 0.1,
        },
        Plain with
        {
            Normalization = NormalizationKind.RMSNorm,
        },
    ];

    private static readonly TE.AttentionMaskType[] MaskTypes = Enum.GetValues<TE.AttentionMaskType>();

    private static TE.MultiheadAttention Filled(TE.MultiheadAttention module)
    {
        using var grad = no_grad();
        foreach (var (_, parameter) in module.named_parameters())
        {
            parameter.add_(randn_like(parameter) * 0.2);
        }

        return module;
    }

    private static Tensor? MaskOf(TE.AttentionMaskType type, long batch, long queries, long keys)
    {
        return type switch
        {
            TE.AttentionMaskType.Padding or TE.AttentionMaskType.PaddingCausal => Padding(),
            TE.AttentionMaskType.Arbitrary => rand(batch, Heads, queries, keys).gt(0.7).logical_and(NotFirst()),
            _ => null,
        };

        Tensor Padding() =>
            cat([.. Enumerable.Range(0, (int)batch).Select(i => arange(keys).ge(keys - i).view(1, 1, 1, keys))], 0);

        Tensor NotFirst() => arange(keys).gt(0);
    }

    /// <summary>All that takes no part, as one mask.</summary>
    private static Tensor? Masked(TE.AttentionMaskType type, Tensor? mask, long queries, long keys)
    {
        var later = ones(queries, keys).triu(1).to_type(ScalarType.Bool);
        return type switch
        {
            TE.AttentionMaskType.Causal => later,
            TE.AttentionMaskType.PaddingCausal => mask!.logical_or(later),
            _ => mask,
        };
    }

    private static void AssertEqualsComposition(
        TE.AttentionOptions options,
        TE.AttentionType type,
        bool norms,
        double limit = Closeness.Float32,
        Float8Recipe? recipe = null
    )
    {
        manual_seed(11);
        const int Batch = 3;
        var (queries, keys) = (5, type == TE.AttentionType.Self ? 5 : 7);
        using var module = Filled(new(Hidden, Heads, options, type, norms));
        var composition = new Composition(module);
        var (x, source) = (randn(Batch, queries, Hidden), randn(Batch, keys, Hidden));
        var mask = MaskOf(options.MaskType, Batch, queries, keys);
        var expected = Compose(composition, options, type, norms, x.requires_grad_(), source, mask);
        var gradient = randn_like(expected);
        expected.backward([gradient]);
        var isSbhd = options.Format == TE.SequenceFormat.Sbhd;
        var z = Ordered(x.detach()).requires_grad_();
        for (var step = 0; step < (recipe is null ? 1 : 2); step++) // the first one sets delayed scales
        {
            module.zero_grad();
            z.grad = null;
            Tensor y;
            using (Float8.Autocast(recipe, enabled: recipe is not null))
            {
                y = module.forward(z, mask, type == TE.AttentionType.Self ? null : Ordered(source));
            }

            y.backward([Ordered(gradient)]);
            if (recipe is null)
            {
                Closeness.AssertNear(Ordered(y), expected, limit);
            }
            else if (step == 1)
            {
                Closeness.AssertNearIn8Bits(Ordered(y), expected, 2 * Closeness.Of8Bits(recipe, forward: 2));
            }
        }

        Closeness.AssertNear(Ordered(z.grad!), x.grad!, limit, "input gradient");
        Closeness.AssertGradientsNear(module, composition.Gradients, limit);

        Tensor Ordered(Tensor tensor) => isSbhd ? tensor.transpose(0, 1).contiguous() : tensor;
    }

    private static Tensor Compose(
        Composition composition,
        TE.AttentionOptions options,
        TE.AttentionType type,
        bool norms,
        Tensor x,
        Tensor source,
        Tensor? mask
    )
    {
        var isSelf = type == TE.AttentionType.Self;
        var first = (isSelf, norms) switch
        {
            (true, true) => "layernorm_qkv",
            (true, false) => "qkv",
            (false, true) => "layernorm_query",
            _ => "query_layer",
        };
        var normalized = norms
            ? composition.Norm(
                x,
                first + ".layer_norm_",
                options.Normalization,
                options.LayerNormEps,
                options.ZeroCenteredGamma
            )
            : x;
        return composition.Attention(
            normalized,
            isSelf ? normalized : source,
            (first, isSelf ? first : "key_value"),
            "",
            Heads,
            options,
            Masked(options.MaskType, mask, x.shape[1], isSelf ? x.shape[1] : source.shape[1])
        );
    }

    [Test]
    public void Outside_of_regions_it_equals_libtorchs_operators(
        [ValueSource(nameof(Options))] TE.AttentionOptions options,
        [Values] TE.AttentionType type,
        [Values] bool norms
    ) => AssertEqualsComposition(options, type, norms);

    [Test]
    public void So_it_does_with_every_mask(
        [ValueSource(nameof(MaskTypes))] TE.AttentionMaskType maskType,
        [Values] TE.AttentionType type
    ) => AssertEqualsComposition(Plain with { MaskType = maskType }, type, norms: true);

    // Two products in forward direction, four to a gradient, of which two are its own. The softmax and the norm double
    // a difference of what they take at most: the derivative of exp at scores of about 1, and numbers of norm 1.
    [Test]
    public void In_8_bits_it_is_near_the_same_operators(
        [ValueSource(typeof(Steps), nameof(Steps.Recipes))] Float8Recipe recipe,
        [Values] TE.AttentionType type
    ) =>
        AssertEqualsComposition(
            Plain with
            {
                GqaGroupCount = 2,
            },
            type,
            norms: true,
            2 * Closeness.Of8Bits(recipe, forward: 4, backward: 2),
            recipe
        );

    [Test]
    public void Attention_weights_are_dropped_in_training_only()
    {
        using var module = Filled(new(Hidden, Heads, Plain with { AttentionDropout = 0.5 }));
        var x = randn(6, 2, Hidden);
        Assert.That(Closeness.Distance(module.forward(x), module.forward(x)), Is.GreaterThan(0.01));
        module.eval();
        Assert.That(Closeness.Distance(module.forward(x), module.forward(x)), Is.Zero);
    }

    [Test]
    public void A_query_with_nothing_to_attend_to_gets_zeros_and_finite_gradients()
    {
        using var module = Filled(
            new(Hidden, Heads, Plain with { MaskType = TE.AttentionMaskType.Padding, HasBias = false })
        );
        var x = randn(3, 1, Hidden).requires_grad_();
        var y = module.forward(x, ones([1, 1, 1, 3], ScalarType.Bool));
        y.backward([ones_like(y)]);
        Assert.That(Steps.Numbers(y), Is.All.Zero);
        Assert.That(x.grad!.isfinite().all().item<bool>(), Is.True);
    }

    [Test]
    public void Bias_and_norm_are_returned_where_they_are_asked_for()
    {
        using var module = Filled(
            new(Hidden, Heads, Plain, inputLayerNorm: true, returnBias: true, returnLayerNormOutput: true)
        );
        using var plain = new TE.MultiheadAttention(Hidden, Heads, Plain, inputLayerNorm: true);
        plain.load_state_dict(module.state_dict());
        var x = randn(5, 2, Hidden);
        var (output, bias, normalized) = module.ForwardParts(x);
        Closeness.AssertNear(output + bias!, plain.forward(x), Closeness.Float32);
        Assert.That(normalized!.mean([-1]).abs().max().item<float>(), Is.LessThan(1));
        Assert.That(() => module.forward(x), Throws.InvalidOperationException);
    }

    [Test]
    public void Under_autocast_it_attends_in_its_dtype()
    {
        using var module = new TE.MultiheadAttention(
            Hidden,
            Heads,
            Plain with
            {
                QueryKeyNormalization = TE.QueryKeyNormalization.LayerNorm,
            },
            TE.AttentionType.Cross
        );
        Tensor y;
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        using (Float8.Autocast())
        {
            y = module.forward(randn(5, 2, Hidden), attentionMask: null, randn(3, 2, Hidden));
        }

        Assert.That(y.dtype, Is.EqualTo(ScalarType.BFloat16));
        y.backward([ones_like(y)]);
        Assert.That(
            module.named_parameters().Select(pair => pair.parameter.grad!.dtype),
            Is.All.EqualTo(ScalarType.Float32)
        );
    }

    [Test]
    public void Steps_leave_no_tensor_behind([Values] TE.AttentionType type)
    {
        using var module = new TE.MultiheadAttention(
            Hidden,
            Heads,
            Plain with
            {
                GqaGroupCount = 2,
                MaskType = TE.AttentionMaskType.PaddingCausal,
                QueryKeyNormalization = TE.QueryKeyNormalization.L2Normalization,
            },
            type,
            inputLayerNorm: true
        );
        var x = randn(5, 2, Hidden).requires_grad_();
        var (source, mask) = (type == TE.AttentionType.Self ? null : x, zeros([2, 1, 1, 5], ScalarType.Bool));
        Once();
        TensorCount.AssertChangedBy(0, Once);

        void Once()
        {
            using var scope = NewDisposeScope();
            using (Float8.Autocast(new DelayedScaling()))
            {
                var y = module.forward(x, mask, source);
                y.backward([ones_like(y)]);
            }

            module.forward(x, mask, source);
        }
    }
}
