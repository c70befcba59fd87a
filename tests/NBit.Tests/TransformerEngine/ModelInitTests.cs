using NBit.Tests.Training;
using NBit.Training;
using NBit.TransformerEngine;
using TorchSharp;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Modules whose weights are codes and scales alone.</summary>
public sealed class ModelInitTests : DisposeScopeFixture
{
    private static IEnumerable<string> Kinds() => ModelInitModules.All.Keys;

    private static IEnumerable<Float8Recipe> Recipes() => Steps.Recipes;

    // [64, 96]: codes, scales of tiles, blocks of rows and of columns, and amaxes.
    private static readonly (Float8Recipe Recipe, long Bytes)[] Sizes =
    [
        (new DelayedScaling(), 6144 + 4),
        (new Float8CurrentScaling(), 6144 + 4),
        (new MXFP8BlockScaling(), (2 * 6144) + (64 * 3) + (2 * 96)),
        (new MXFP8BlockScaling(enable2DQuantization: true), 6144 + (2 * 3)),
        (new Float8BlockScaling(), 6144 + 4),
        (new NVFP4BlockScaling(), 6144 + (64 * 6) + (96 * 4) + (2 * 4)),
    ];

    [Test]
    public void A_weight_takes_the_bytes_of_its_codes_and_scales([Range(0, 5)] int index)
    {
        var (recipe, bytes) = Sizes[index];
        using var region = Float8.ModelInit(recipe);
        using var layer = new TE.Linear(96, 64, hasBias: false);
        Assert.That(MemorySize.ModuleBytes(layer), Is.EqualTo(bytes));
        Assert.That(layer.weight.dtype, Is.EqualTo(ScalarType.Byte));
        Assert.That((layer.InFeatures, layer.OutFeatures), Is.EqualTo((96, 64)));
        Assert.That(layer.weight.requires_grad, Is.False);
    }

    [Test]
    public void All_modules_take_part_and_only_their_products(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        using var ordinary = ModelInitModules.Make(kind);
        using var module = ModelInitModules.MakeCodes(kind, recipe);
        var codes = module.named_parameters().ToDictionary(StringComparer.Ordinal);
        Assert.That(codes.Keys, Is.EqualTo(ordinary.named_parameters().Select(pair => pair.name)));
        foreach (var (name, parameter) in ordinary.named_parameters())
        {
            var isWeight = ModelInitModules.IsProductWeight(name, parameter);
            Assert.That(codes[name].dtype == ScalarType.Byte, Is.EqualTo(isWeight), name);
            Assert.That(codes[name].requires_grad, Is.EqualTo(!isWeight), name);
        }
    }

    [Test]
    public void Codes_give_the_results_and_gradients_of_the_weight_they_were_made_of(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        // Other random numbers round a gradient that is for the input alone.
        recipe = recipe is NVFP4BlockScaling pairs ? pairs with { DisableStochasticRounding = true } : recipe;
        using var ordinary = ModelInitModules.Make(kind);
        using var module = ModelInitModules.MakeCodes(kind, recipe);
        var results = new[] { ordinary, module }
            .Select(each =>
            {
                var x = ModelInitModules.Input().requires_grad_();
                var y = Steps.Run(each, x, recipe);
                var biases = each.named_parameters()
                    .Where(pair => pair.name.EndsWith("bias", StringComparison.Ordinal))
                    .SelectMany(pair => Steps.Numbers(pair.parameter.grad!));
                return Steps.Numbers(y).Concat(Steps.Numbers(x.grad!)).Concat(biases).ToArray();
            })
            .ToArray();
        Assert.That(results[1], Is.EqualTo(results[0]).And.Some.Not.Zero);
        Assert.That(
            module.named_parameters().Where(pair => pair.parameter.dtype == ScalarType.Byte),
            Is.Not.Empty.And.All.Matches<(string, TorchSharp.Modules.Parameter Parameter)>(pair =>
                pair.Parameter.grad is null
            )
        );
    }

    [Test]
    public void Outside_of_regions_codes_are_dequantized(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        using var ordinary = ModelInitModules.Make(kind);
        using var module = ModelInitModules.MakeCodes(kind, recipe);
        var x = ModelInitModules.Input();
        var limit = Closeness.Of8Bits(recipe, forward: 4);
        Closeness.AssertNear(module.forward(x), ordinary.forward(x), limit);
    }

    [TestCase(ScalarType.Float16)]
    [TestCase(ScalarType.BFloat16)]
    [TestCase(ScalarType.Float64)]
    public void There_they_take_the_dtype_of_the_input(ScalarType dtype)
    {
        using var region = Float8.ModelInit();
        using var layer = new TE.Linear(8, 4, hasBias: false);
        Assert.That(layer.forward(randn([3, 8], dtype)).dtype, Is.EqualTo(dtype));
    }

    [TestCase(ScalarType.Float16)]
    [TestCase(ScalarType.BFloat16)]
    public void Inside_they_do_too(ScalarType dtype)
    {
        using var region = Float8.ModelInit();
        using var layer = new TE.Linear(8, 4, hasBias: false);
        var x = randn([3, 8], dtype).requires_grad_();
        Assert.That(Steps.Run(layer, x).dtype, Is.EqualTo(dtype));
    }

    [Test]
    public void Codes_need_no_cast_where_a_microbatch_is_not_the_first()
    {
        var recipe = new DelayedScaling(amaxHistoryLength: 2);
        using var module = ModelInitModules.MakeCodes("SplitLinear", recipe);
        var x = ModelInitModules.Input();
        using (Float8.Autocast(recipe))
        {
            var first = ((TE.SplitLinear)module).forward(x, isFirstMicrobatch: true);
            var second = ((TE.SplitLinear)module).forward(x, isFirstMicrobatch: false);
            Assert.That(Steps.Numbers(second), Is.EqualTo(Steps.Numbers(first)));
        }
    }

    [Test]
    public void Another_dtype_leaves_codes_and_scales_as_they_are(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        using var expected = ModelInitModules.Make(kind);
        expected.to(ScalarType.BFloat16);
        using var module = ModelInitModules.MakeCodes(kind, recipe);
        module.to(ScalarType.BFloat16);
        var x = ModelInitModules.Input().bfloat16();
        var (y, z) = (Steps.Forward(module, x, recipe), Steps.Forward(expected, x, recipe));
        // The ordinary weight is rounded before it is cast: what differs are codes at ties.
        Closeness.AssertNear(y, z, Closeness.Of8Bits(recipe, forward: 1));
        Assert.That(
            module.state_dict().Values.Select(tensor => tensor.dtype).Distinct(),
            Is.EquivalentTo(new[] { ScalarType.Byte, ScalarType.BFloat16 })
        );
    }

    [Test]
    public void A_region_of_another_kind_is_refused_before_anything_changes(
        [ValueSource(nameof(Kinds))] string kind,
        [Values] bool calibrates
    )
    {
        var given = new DelayedScaling(amaxHistoryLength: 3);
        using var module = ModelInitModules.MakeCodes(kind, new MXFP8BlockScaling());
        var x = ModelInitModules.Input();
        Assert.That(
            () =>
            {
                using (Float8.Autocast(given, enabled: !calibrates, calibrating: calibrates))
                {
                    module.forward(x);
                }
            },
            Throws
                .InvalidOperationException.With.Message.Contains("Recipe mismatch for")
                .And.Message.Contains("MXFP8BlockScaling")
                .And.Message.Contains("DelayedScaling")
        );
        Assert.That(
            Float8States.In(module).Select(entry => entry.State.Recipe),
            Is.All.EqualTo(new MXFP8BlockScaling()).Or.All.Null
        );
        Assert.That(Float8States.In(module).Select(entry => entry.State.Forward), Is.All.Null);
        Steps.Forward(module, x, new MXFP8BlockScaling(Float8Format.Hybrid)); // other settings do
    }

    [Test]
    public void Regions_nest()
    {
        using (Float8.ModelInit(new MXFP8BlockScaling()))
        {
            using (Float8.ModelInit(enabled: false))
            {
                using var ordinary = new TE.Linear(4, 3);
                Assert.That(ordinary.weight.dtype, Is.EqualTo(ScalarType.Float32));
            }

            using (Float8.ModelInit())
            {
                using var delayed = new TE.Linear(4, 3);
                Steps.Forward(delayed, ones(2, 4));
            }

            using var outer = new TE.Linear(4, 3);
            Steps.Forward(outer, ones(2, 4), new MXFP8BlockScaling());
        }

        using var after = new TE.Linear(4, 3);
        Assert.That(after.weight.dtype, Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void Regions_end_in_reverse_order()
    {
        var outer = Float8.ModelInit();
        var inner = Float8.ModelInit();
        Assert.That(outer.Dispose, Throws.InvalidOperationException.With.Message.Contains("reverse order"));
        inner.Dispose();
        inner.Dispose();
        outer.Dispose();
    }

    [Test]
    public void A_region_is_of_one_thread()
    {
        using var region = Float8.ModelInit();
        var dtype = Task.Run(() =>
            {
                using var scope = NewDisposeScope();
                using var layer = new TE.Linear(4, 3);
                return layer.weight.dtype;
            })
            .GetAwaiter()
            .GetResult();
        Assert.That(dtype, Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void A_gradient_of_the_weight_goes_to_the_callers_tensor()
    {
        var gradients = new[] { true, false }
            .Select(codes =>
            {
                using var region = Float8.ModelInit(new Float8CurrentScaling(), enabled: codes);
                manual_seed(1);
                using var layer = new TE.Linear(8, 4, hasBias: false, fuseWeightGradientAccumulation: true)
                {
                    MainGradient = zeros(4, 8),
                };
                Steps.Run(layer, ones(2, 8), new Float8CurrentScaling(), size: 1);
                return Steps.Numbers(layer.MainGradient);
            })
            .ToArray();
        Assert.That(gradients[0], Is.EqualTo(gradients[1]).And.Some.Not.Zero);
    }

    [Test]
    public void A_module_leaves_nothing_behind(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        var parameters = ModelInitModules.Make(kind).named_parameters().Count();
        // TorchSharp counts each Parameter once more than it is.
        TensorCount.AssertChangedBy(
            parameters,
            () =>
            {
                using var scope = NewDisposeScope();
                using var module = ModelInitModules.MakeCodes(kind, recipe, preserves: true);
                var values = Float8.HighPrecisionInitialValues(module);
                Assert.That(values, Is.Not.Empty);
                var x = ModelInitModules.Input().requires_grad_();
                Steps.Run(module, x, recipe);
                Steps.Run(module, x, recipe);
                module.forward(x);
            }
        );
    }
}
