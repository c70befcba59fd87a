using NBit.Amp;
using NBit.Checkpoints;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;
using NBit.TransformerEngine;
using TorchSharp;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>LayerNormLinear and LayerNormMLP.</summary>
public sealed class LayerNormModuleTests : DisposeScopeFixture
{
    private const int Hidden = 40;
    private static readonly bool[] Both = [false, true];
    private static readonly TE.LayerNormModuleOptions[] Options =
    [
        new(),
        new() { HasBias = false, Eps = 0.1 },
        new() { Normalization = NormalizationKind.RMSNorm },
        new() { ZeroCenteredGamma = true },
        new()
        {
            Normalization = NormalizationKind.RMSNorm,
            ZeroCenteredGamma = true,
            HasBias = false,
        },
    ];

    private static IEnumerable<Float8Recipe> Recipes() => Steps.Recipes;

    private static TE.LayerNormModule Make(
        bool mlp,
        TE.LayerNormModuleOptions? options = null,
        string activation = "gelu"
    ) =>
        mlp
            ? new TE.LayerNormMLP(Hidden, 56, Activation.Parse(activation), options)
            : new TE.LayerNormLinear(Hidden, 24, options);

    /// <summary>Numbers that differ from the initial ones, of which many are 0 or 1, and large enough to
    /// matter.</summary>
    private static T Filled<T>(T module, ScalarType? dtype = null)
        where T : nn.Module
    {
        using var grad = no_grad();
        foreach (var (_, parameter) in module.named_parameters())
        {
            parameter.add_(randn(parameter.shape, dtype ?? parameter.dtype) * 0.2);
        }

        return module;
    }

    private static Tensor Compose(
        Composition composition,
        bool mlp,
        Tensor x,
        TE.LayerNormModuleOptions options,
        string activation = "gelu"
    )
    {
        var normalized = composition.Norm(x, "", options);
        return mlp ? composition.Mlp(normalized, "", activation) : composition.Linear(normalized, "");
    }

    private static void AssertEqualsComposition(bool mlp, TE.LayerNormModuleOptions options, string activation)
    {
        manual_seed(4);
        using var module = Filled(Make(mlp, options, activation));
        var composition = new Composition(module);
        var (x, z) = (randn(3, 5, Hidden).requires_grad_(), zeros(0));
        z = x.detach().clone().requires_grad_();
        var y = module.forward(x);
        var expected = Compose(composition, mlp, z, options, activation);
        var gradient = randn_like(y);
        y.backward([gradient]);
        expected.backward([gradient]);
        Closeness.AssertNear(y, expected, Closeness.Float32);
        Closeness.AssertNear(x.grad!, z.grad!, Closeness.Float32, "input gradient");
        Closeness.AssertGradientsNear(module, composition.Gradients, Closeness.Float32);
    }

    [Test]
    public void Outside_of_regions_it_equals_libtorchs_operators(
        [Values] bool mlp,
        [ValueSource(nameof(Options))] TE.LayerNormModuleOptions options
    ) => AssertEqualsComposition(mlp, options, "gelu");

    [Test]
    public void So_it_does_with_every_activation(
        [ValueSource(typeof(ActivationTests), nameof(ActivationTests.Names))] string activation
    ) => AssertEqualsComposition(mlp: true, new(), activation);

    [Test]
    public void In_8_bits_it_is_near_the_same_operators(
        [Values] bool mlp,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        manual_seed(5);
        var options = new TE.LayerNormModuleOptions();
        using var module = Filled(Make(mlp, options));
        var composition = new Composition(module);
        var x = randn(64, Hidden).requires_grad_();
        var z = x.detach().clone().requires_grad_();
        var expected = Compose(composition, mlp, z, options);
        var gradient = randn_like(expected);
        expected.backward([gradient]);
        Steps.Forward(module, x, recipe).backward([gradient]); // so that delayed scales are set
        module.zero_grad();
        x.grad = null;
        var y = Steps.Forward(module, x, recipe);
        y.backward([gradient]);
        var products = mlp ? 2 : 1;
        Closeness.AssertNearIn8Bits(y, expected, Closeness.Of8Bits(recipe, products));
        // The norm and the activation were linearized at a point that is as far away as the forward pass is.
        var limit = Closeness.Of8Bits(recipe, 2 * products, products);
        Closeness.AssertNear(x.grad!, z.grad!, limit, "input gradient");
        Closeness.AssertGradientsNear(module, composition.Gradients, limit);
    }

    [Test]
    public void Any_shape_and_dtype_gives_finite_gradients(
        [Values] bool mlp,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe,
        [Values(ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        foreach (var shape in new long[][] { [Hidden], [7, Hidden], [2, 1, 3, Hidden], [0, Hidden] })
        {
            using var module = Make(mlp, new() { DataType = dtype });
            var x = randn(shape, dtype).requires_grad_();
            var y = Steps.Run(module, x, recipe);
            Assert.That(y.shape, Is.EqualTo((long[])[.. shape[..^1], mlp ? Hidden : 24]));
            Assert.That(y.dtype, Is.EqualTo(dtype));
            Assert.That(x.grad!.isfinite().all().item<bool>(), Is.True);
            foreach (var (name, parameter) in module.named_parameters())
            {
                Assert.That(parameter.grad!.isfinite().all().item<bool>(), Is.True, name);
                Assert.That(parameter.grad!.dtype, Is.EqualTo(dtype), name);
            }
        }
    }

    [Test]
    public void What_else_was_asked_for_is_returned(
        [Values] bool mlp,
        [Values] bool returnsBias,
        [Values] bool returnsNorm
    )
    {
        manual_seed(6);
        var options = new TE.LayerNormModuleOptions { ReturnBias = returnsBias, ReturnLayerNormOutput = returnsNorm };
        using var module = Filled(Make(mlp, options));
        using var plain = Make(mlp);
        plain.load_state_dict(module.state_dict());
        var x = randn(4, Hidden);
        foreach (var enabled in Both)
        {
            using var region = Float8.Autocast(new Float8CurrentScaling(), enabled);
            var (output, bias, normalized) = module.ForwardParts(x);
            Assert.That((bias is not null, normalized is not null), Is.EqualTo((returnsBias, returnsNorm)));
            var whole = bias is null ? output : output + bias;
            // Products in 8 bits round an added bias to bfloat16: 2^-9 of it.
            Closeness.AssertNear(whole, plain.forward(x), returnsBias && enabled ? 2e-3 : 1e-6);
            if (normalized is not null)
            {
                var composition = new Composition(module);
                Closeness.AssertNear(normalized, composition.Norm(x, "", options), Closeness.Float32);
            }
        }

        if (returnsBias || returnsNorm)
        {
            Assert.That(
                () => module.forward(x),
                Throws.InvalidOperationException.With.Message.Contains("call ForwardParts")
            );
        }
    }

    [Test]
    public void A_returned_norm_takes_a_gradient_too()
    {
        manual_seed(7);
        var options = new TE.LayerNormModuleOptions { ReturnLayerNormOutput = true };
        using var module = Filled(Make(mlp: true, options));
        var composition = new Composition(module);
        var (x, z) = (randn(6, Hidden).requires_grad_(), zeros(0));
        z = x.detach().clone().requires_grad_();
        var parts = module.ForwardParts(x);
        var normalized = composition.Norm(z, "", options);
        (parts.Output + parts.LayerNormOutput!).sum().backward();
        (composition.Mlp(normalized, "", "gelu") + normalized).sum().backward();
        Closeness.AssertNear(x.grad!, z.grad!, 1e-4, "input gradient"); // of a sum, most of which the norm takes away
        Closeness.AssertGradientsNear(module, composition.Gradients, Closeness.Float32);
    }

    [Test]
    public void Under_autocast_results_have_its_dtype([Values] bool mlp, [Values] bool enabled)
    {
        using var module = Make(mlp, new() { ReturnBias = true, ReturnLayerNormOutput = true });
        var x = randn(4, Hidden).requires_grad_();
        TE.ModuleOutput parts;
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        using (Float8.Autocast(enabled: enabled))
        {
            parts = module.ForwardParts(x);
        }

        Assert.That(
            new[] { parts.Output.dtype, parts.Bias!.dtype, parts.LayerNormOutput!.dtype },
            Is.All.EqualTo(ScalarType.BFloat16)
        );
        parts.Output.backward([ones_like(parts.Output)]);
        Assert.That(module.LayerNormWeight.grad!.dtype, Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void Microbatches_share_codes_and_collect_gradients()
    {
        manual_seed(8);
        using var module = new TE.LayerNormMLP(Hidden, 16, options: new() { FuseWeightGradientAccumulation = true });
        Assert.That(
            () => Steps.Forward(module, randn(2, Hidden)),
            Throws.InvalidOperationException.With.Message.Contains(
                "Fc1MainGradient is null: set it to a tensor [16, 40]"
            )
        );
        Assert.That(Steps.StateOf(module).Forward, Is.Null);
        using var plain = new TE.LayerNormMLP(Hidden, 16);
        plain.load_state_dict(module.state_dict());
        (module.Fc1MainGradient, module.Fc2MainGradient) = (full([16, Hidden], 9f), full([Hidden, 16], 9f));
        var (x, gradient) = (randn(8, Hidden), randn(8, Hidden));
        var recipe = new Float8CurrentScaling();
        foreach (var isFirst in new[] { true, false })
        {
            using (Float8.Autocast(recipe))
            {
                module.forward(x, isFirst).backward([gradient]);
                plain.forward(x).backward([gradient]);
            }

            using var grad = no_grad();
            module.Fc1Weight.zero_(); // of no account with cached codes
        }

        Closeness.AssertNear(module.Fc1MainGradient, plain.Fc1Weight.grad!, 1e-6);
        Closeness.AssertNear(module.Fc2MainGradient, plain.Fc2Weight.grad!, 1e-6);
        Assert.That(module.Fc1Weight.grad, Is.Null);
    }

    [Test]
    public void Run_again_in_the_backward_pass_it_gives_the_same_gradients([Values] bool mlp)
    {
        var recipe = new DelayedScaling(amaxHistoryLength: 2);
        var gradients = new List<float[]>();
        foreach (var recomputes in Both)
        {
            manual_seed(9);
            using var module = Filled(Make(mlp));
            for (var step = 0; step < 3; step++) // scales move on in between
            {
                var x = randn(4, Hidden) * (step + 1);
                Tensor y;
                using (Float8.Autocast(recipe))
                {
                    y = recomputes ? Float8.Checkpoint(module.forward, x) : module.forward(x);
                }

                y.backward([y.detach()]);
            }

            var state = Steps.StateOf(module);
            gradients.Add([
                .. module.named_parameters().SelectMany(pair => Steps.Numbers(pair.parameter.grad!)),
                .. Steps.Numbers(state.Forward!.AmaxHistory),
                .. Steps.Numbers(state.Backward!.AmaxHistory),
            ]);
        }

        Assert.That(gradients[1], Is.EqualTo(gradients[0]));
    }

    [Test]
    public void Calibration_notes_the_amaxes_of_both_products()
    {
        using var module = Make(mlp: true);
        using (Float8.Autocast(new DelayedScaling(amaxHistoryLength: 2), enabled: false, calibrating: true))
        {
            module.forward(randn(3, Hidden));
        }

        var row = Steps.Row(Steps.StateOf(module).Forward!.AmaxHistory, 0);
        Assert.That(row.Select(amax => amax > 0), Is.EqualTo(new[] { true, true, false, true, true, false }));
    }

    [Test]
    public void A_saved_module_goes_on_where_it_was([Values] bool mlp)
    {
        using var folder = new TemporaryDirectory();
        var (path, recipe) = (folder.File("model.safetensors"), new DelayedScaling(amaxHistoryLength: 3));
        using var saved = nn.Sequential(Filled(Make(mlp)));
        for (var step = 0; step < 3; step++)
        {
            Steps.Run(saved, randn(3, Hidden), recipe);
        }

        ModelFile.Save(saved, path);
        using var loaded = nn.Sequential(Make(mlp));
        ModelFile.Load(loaded, path);
        var x = randn(3, Hidden);
        Assert.That(
            Steps.Numbers(Steps.Forward(loaded, x, recipe)),
            Is.EqualTo(Steps.Numbers(Steps.Forward(saved, x, recipe)))
        );
    }

    [Test]
    public void Another_dtype_replaces_the_parameters([Values] bool mlp)
    {
        using var module = Make(mlp);
        module.to(ScalarType.BFloat16);
        Assert.That(
            module.named_parameters().Select(pair => pair.parameter.dtype),
            Is.All.EqualTo(ScalarType.BFloat16)
        );
        Assert.That(module.LayerNormWeight.dtype, Is.EqualTo(ScalarType.BFloat16));
        Assert.That(Steps.Run(module, randn([2, Hidden], ScalarType.BFloat16)).dtype, Is.EqualTo(ScalarType.BFloat16));
    }

    [Test]
    public void Steps_leave_no_tensor_behind([Values] bool mlp, [ValueSource(nameof(Recipes))] Float8Recipe recipe)
    {
        using var module = Make(mlp, activation: "swiglu");
        var x = randn(5, Hidden).requires_grad_();
        Once();
        var bytes = Float8.BytesKeptForBackward;
        TensorCount.AssertChangedBy(0, Once);
        Assert.That(Float8.BytesKeptForBackward, Is.EqualTo(bytes));

        void Once()
        {
            using var scope = NewDisposeScope();
            Steps.Run(module, x, recipe);
            Steps.Forward(module, x, recipe); // a graph without a backward pass
            module.forward(x);
            using (no_grad())
            {
                Steps.Forward(module, x, recipe);
            }
        }
    }

    [TestCase(ScalarType.Float64, Hidden, "is Float64")]
    [TestCase(ScalarType.BFloat16, Hidden, "Data types for parameters must match")]
    [TestCase(ScalarType.Float32, 3, "takes [..., 40]")]
    public void An_input_that_does_not_fit_is_refused(ScalarType dtype, int size, string message)
    {
        using var module = Make(mlp: true);
        Assert.That(
            () => Steps.Forward(module, ones([2, size], dtype)),
            Throws.ArgumentException.With.Message.Contains(message)
        );
        Assert.That(Steps.StateOf(module).Forward, Is.Null);
    }
}
