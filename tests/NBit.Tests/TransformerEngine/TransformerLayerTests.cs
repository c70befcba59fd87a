using NBit.Checkpoints;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>TransformerLayer.</summary>
public sealed class TransformerLayerTests : DisposeScopeFixture
{
    private const int Hidden = 32;
    private const int Ffn = 48;
    private const int Heads = 4;

    private static readonly TE.TransformerLayerOptions Plain = new()
    {
        AttentionDropout = 0,
        HiddenDropout = 0,
        Format = TE.SequenceFormat.Bshd,
    };

    private static readonly TE.TransformerLayerOptions[] Options =
    [
        Plain,
        Plain with
        {
            LayerType = TE.TransformerLayerType.Decoder,
        },
        Plain with
        {
            OutputLayerNorm = true,
        },
        Plain with
        {
            OutputLayerNorm = true,
            ApplyResidualConnectionPostLayerNorm = true,
        },
        Plain with
        {
            ParallelAttentionMlp = true,
        },
        Plain with
        {
            ApplyResidualConnectionPostLayerNorm = true,
            LayerType = TE.TransformerLayerType.Decoder,
        },
        Plain with
        {
            Activation = Activation.SwiGLU,
            Normalization = NormalizationKind.RMSNorm,
            HasBias = false,
            GqaGroupCount = 2,
        },
        Plain with
        {
            Normalization = NormalizationKind.RMSNorm,
            OutputLayerNorm = true,
            ZeroCenteredGamma = true,
        },
        Plain with
        {
            FuseQkvParameters = true,
            MaskType = TE.AttentionMaskType.NoMask,
            LayerNormEps = 0.1,
        },
    ];

    private static TE.TransformerLayer Filled(TE.TransformerLayerOptions options)
    {
        var layer = new TE.TransformerLayer(Hidden, Ffn, Heads, options);
        using var grad = no_grad();
        foreach (var (_, parameter) in layer.named_parameters())
        {
            parameter.add_(randn_like(parameter) * 0.2);
        }

        return layer;
    }

    private static Tensor Compose(Composition layer, TE.TransformerLayerOptions options, Tensor x, Tensor source)
    {
        var isPost = options.ApplyResidualConnectionPostLayerNorm;
        var later = ones(x.shape[1], x.shape[1]).triu(1).to_type(ScalarType.Bool);
        var first = options.OutputLayerNorm ? "qkv" : "layernorm_qkv";
        var input = options.OutputLayerNorm ? x : Norm(x, $"self_attention.{first}.layer_norm_");
        var attended = layer.Attention(
            input,
            input,
            (first, first),
            "self_attention.",
            Heads,
            options,
            options.MaskType == TE.AttentionMaskType.Causal ? later : null
        );
        if (options.ParallelAttentionMlp)
        {
            return x + attended + Mlp(Norm(x, "layernorm_mlp.layer_norm_"));
        }

        x = (isPost ? input : x) + attended;
        if (options.LayerType == TE.TransformerLayerType.Decoder)
        {
            var query = Norm(x, "inter_attention.layernorm_query.layer_norm_");
            x =
                (isPost ? query : x)
                + layer.Attention(
                    query,
                    source,
                    ("layernorm_query", "key_value"),
                    "inter_attention.",
                    Heads,
                    options,
                    masked: null
                );
        }

        var normalized = Norm(x, "layernorm_mlp.layer_norm_");
        x = (isPost ? normalized : x) + Mlp(normalized);
        return options.OutputLayerNorm ? Norm(x, "layernorm.") : x;

        Tensor Norm(Tensor tensor, string prefix) =>
            layer.Norm(tensor, prefix, options.Normalization, options.LayerNormEps, options.ZeroCenteredGamma);

        Tensor Mlp(Tensor tensor) => layer.Mlp(tensor, "layernorm_mlp.", options.Activation?.Name ?? "gelu");
    }

    private static void AssertEqualsComposition(
        TE.TransformerLayerOptions options,
        double backward,
        Float8Recipe? recipe = null
    )
    {
        manual_seed(13);
        using var layer = Filled(options);
        var composition = new Composition(layer);
        var (x, source) = (randn(2, 6, Hidden).requires_grad_(), randn(2, 3, Hidden));
        var z = x.detach().clone().requires_grad_();
        var expected = Compose(composition, options, x, source);
        var gradient = randn_like(expected);
        expected.backward([gradient]);
        Tensor y = expected;
        for (var step = 0; step < 2; step++) // the first one sets delayed scales
        {
            layer.zero_grad();
            z.grad = null;
            using (Float8.Autocast(recipe, enabled: recipe is not null))
            {
                y = layer.forward(z, null, options.LayerType == TE.TransformerLayerType.Decoder ? source : null);
            }

            y.backward([gradient]);
        }

        if (recipe is null)
        {
            Closeness.AssertNear(y, expected, Closeness.Float32);
        }
        else
        {
            Closeness.AssertNearIn8Bits(y, expected, Closeness.Of8Bits(recipe, forward: 4));
        }

        Closeness.AssertNear(z.grad!, x.grad!, backward, "input gradient");
        Closeness.AssertGradientsNear(layer, composition.Gradients, backward);
    }

    [Test]
    public void Outside_of_regions_it_equals_libtorchs_operators(
        [ValueSource(nameof(Options))] TE.TransformerLayerOptions options
    ) => AssertEqualsComposition(options, Closeness.Float32);

    // Four products in forward direction; eight to a gradient, of which four are its own. The residual stream adds what
    // none of them touched, which makes up for what norms and the softmax enlarge.
    [Test]
    public void In_8_bits_it_is_near_the_same_operators(
        [ValueSource(typeof(Steps), nameof(Steps.Recipes))] Float8Recipe recipe
    ) => AssertEqualsComposition(Plain, Closeness.Of8Bits(recipe, forward: 8, backward: 4), recipe);

    [Test]
    public void The_modules_have_the_names_of_Transformer_Engine()
    {
        using var decoder = new TE.TransformerLayer(
            Hidden,
            Ffn,
            Heads,
            Plain with
            {
                LayerType = TE.TransformerLayerType.Decoder,
                OutputLayerNorm = true,
                HasBias = false,
                FuseQkvParameters = true,
            }
        );
        Assert.That(
            decoder.named_parameters().Select(pair => pair.name),
            Is.EqualTo(
                new[]
                {
                    "self_attention.qkv.weight",
                    "self_attention.proj.weight",
                    "inter_attention.layernorm_query.layer_norm_weight",
                    "inter_attention.layernorm_query.layer_norm_bias",
                    "inter_attention.layernorm_query.weight",
                    "inter_attention.key_value.weight",
                    "inter_attention.proj.weight",
                    "layernorm_mlp.layer_norm_weight",
                    "layernorm_mlp.layer_norm_bias",
                    "layernorm_mlp.fc1_weight",
                    "layernorm_mlp.fc2_weight",
                    "layernorm.weight",
                    "layernorm.bias",
                }
            )
        );
        Assert.That(
            Float8States.In(decoder).Select(entry => entry.Name),
            Is.EquivalentTo(
                new[]
                {
                    "self_attention.qkv",
                    "self_attention.proj",
                    "inter_attention.layernorm_query",
                    "inter_attention.key_value",
                    "inter_attention.proj",
                    "layernorm_mlp",
                }
            )
        );
    }

    [Test]
    public void Elements_are_dropped_in_training_only()
    {
        using var layer = Filled(Plain with { HiddenDropout = 0.5 });
        var x = randn(2, 5, Hidden);
        Assert.That(Closeness.Distance(layer.forward(x), layer.forward(x)), Is.GreaterThan(0.01));
        layer.eval();
        Assert.That(Closeness.Distance(layer.forward(x), layer.forward(x)), Is.Zero);
        using var all = Filled(Plain with { HiddenDropout = 1 });
        Assert.That(Steps.Numbers(all.forward(x)), Is.EqualTo(Steps.Numbers(x)), "nothing but the residual is left");
    }

    [Test]
    public void Microbatches_share_the_codes_of_all_weights()
    {
        using var layer = Filled(Plain);
        var x = randn(2, 5, Hidden);
        using (Float8.Autocast(new Float8CurrentScaling()))
        {
            var y = layer.forward(x, null, isFirstMicrobatch: true);
            using (no_grad())
            {
                foreach (var (name, parameter) in layer.named_parameters())
                {
                    parameter.mul_(parameter.dim() == 2 ? 0 : 1);
                }
            }

            var again = layer.forward(x, null, isFirstMicrobatch: false);
            Assert.That(Steps.Numbers(again), Is.EqualTo(Steps.Numbers(y)));
        }
    }

    [Test]
    public void Masks_reach_both_attentions()
    {
        using var decoder = Filled(
            Plain with
            {
                LayerType = TE.TransformerLayerType.Decoder,
                MaskType = TE.AttentionMaskType.Padding,
                EncoderDecoderMaskType = TE.AttentionMaskType.Padding,
            }
        );
        var (x, source) = (randn(1, 4, Hidden), randn(1, 3, Hidden));
        var (own, other) = (zeros([1, 1, 1, 4], ScalarType.Bool), zeros([1, 1, 1, 3], ScalarType.Bool));
        var y = decoder.forward(x, own, source, other);
        own[0, 0, 0, 3] = true;
        Assert.That(Closeness.Distance(decoder.forward(x, own, source, other), y), Is.GreaterThan(1e-3));
        own[0, 0, 0, 3] = false;
        other[0, 0, 0, 2] = true;
        Assert.That(Closeness.Distance(decoder.forward(x, own, source, other), y), Is.GreaterThan(1e-3));
    }

    [Test]
    public void A_saved_layer_goes_on_where_it_was()
    {
        using var folder = new TemporaryDirectory();
        var (path, recipe) = (folder.File("model.safetensors"), new DelayedScaling(amaxHistoryLength: 3));
        using var saved = Filled(Plain);
        for (var step = 0; step < 3; step++)
        {
            Steps.Run(saved, randn(2, 5, Hidden), recipe);
        }

        ModelFile.Save(saved, path);
        using var loaded = Filled(Plain);
        ModelFile.Load(loaded, path);
        var x = randn(2, 5, Hidden);
        Assert.That(
            Steps.Numbers(Steps.Forward(loaded, x, recipe)),
            Is.EqualTo(Steps.Numbers(Steps.Forward(saved, x, recipe)))
        );
    }

    [Test]
    public void It_learns_in_8_bits_and_bfloat16()
    {
        manual_seed(14);
        using var layer = new TE.TransformerLayer(
            Hidden,
            Ffn,
            Heads,
            Plain with
            {
                DataType = ScalarType.BFloat16,
                Activation = Activation.GeGLU,
            }
        );
        using var optimizer = optim.AdamW(layer.parameters(), lr: 3e-3);
        var x = randn([4, 8, Hidden], ScalarType.BFloat16);
        var target = x.roll(1, 1); // each position learns what came before it
        var losses = new List<float>();
        for (var step = 0; step < 60; step++)
        {
            using var scope = NewDisposeScope();
            var y = Steps.Forward(layer, x, new DelayedScaling(amaxHistoryLength: 16));
            var loss = nn.functional.mse_loss(y.to(ScalarType.Float32), target.to(ScalarType.Float32));
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
            losses.Add(loss.item<float>());
        }

        Assert.That(losses[^1], Is.LessThan(0.5 * losses[0]));
    }

    [Test]
    public void Steps_leave_no_tensor_behind([ValueSource(nameof(Options))] TE.TransformerLayerOptions options)
    {
        using var layer = new TE.TransformerLayer(Hidden, Ffn, Heads, options);
        var x = randn(2, 5, Hidden).requires_grad_();
        var source = options.LayerType == TE.TransformerLayerType.Decoder ? x : null;
        Once();
        var bytes = Float8.BytesKeptForBackward;
        TensorCount.AssertChangedBy(0, Once);
        Assert.That(Float8.BytesKeptForBackward, Is.EqualTo(bytes));

        void Once()
        {
            using var scope = NewDisposeScope();
            using (Float8.Autocast(new DelayedScaling()))
            {
                var y = layer.forward(x, null, source);
                y.backward([ones_like(y)]);
            }

            layer.forward(x, null, source);
        }
    }

    private static TE.TransformerLayer Make(TE.TransformerLayerOptions options) => new(Hidden, Ffn, Heads, options);

    private static readonly (string Message, Action Make)[] Refused =
    [
        ("ffnHiddenSize", () => new TE.TransformerLayer(Hidden, 0, Heads)),
        ("HiddenDropout is a probability", () => Make(Plain with { HiddenDropout = -0.1 })),
        ("LayerType 5 is not supported", () => Make(Plain with { LayerType = (TE.TransformerLayerType)5 })),
        (
            "ParallelAttentionMlp and LayerType Decoder",
            () => Make(Plain with { ParallelAttentionMlp = true, LayerType = TE.TransformerLayerType.Decoder })
        ),
        (
            "ParallelAttentionMlp and ApplyResidualConnectionPostLayerNorm",
            () => Make(Plain with { ParallelAttentionMlp = true, ApplyResidualConnectionPostLayerNorm = true })
        ),
        (
            "ParallelAttentionMlp and OutputLayerNorm",
            () => Make(Plain with { ParallelAttentionMlp = true, OutputLayerNorm = true })
        ),
        ("requires FuseQkvParameters", () => Make(Plain with { FuseWeightGradientAccumulation = true })),
        (
            "a decoder's layer needs the output of an encoder",
            () => Make(Plain with { LayerType = TE.TransformerLayerType.Decoder }).forward(ones(1, 2, Hidden))
        ),
        (
            "an encoder's layer takes no output of an encoder",
            () => Make(Plain).forward(ones(1, 2, Hidden), null, ones(1, 2, Hidden))
        ),
        ("takes [batch, sequence, hidden]", () => Make(Plain).forward(ones(2, Hidden))),
    ];

    [Test]
    public void What_does_not_fit_is_refused([Range(0, 9)] int index) =>
        Assert.That(
            () => Refused[index].Make(),
            Throws.InstanceOf<ArgumentException>().With.Message.Contains(Refused[index].Message)
        );
}
