using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Training of weights that are codes alone, by masters in floating point.</summary>
public sealed class MasterWeightTests : DisposeScopeFixture
{
    private static IEnumerable<string> Kinds() => ModelInitModules.All.Keys;

    private static IEnumerable<Float8Recipe> Recipes() => Steps.Recipes;

    private static List<float> Train(nn.Module<Tensor, Tensor> module, Float8Recipe recipe, int steps = 4)
    {
        var seen = new List<float>();
        using var optimizer = optim.AdamW(module.parameters().Where(parameter => parameter.requires_grad), lr: 0.01);
        for (var step = 0; step < steps; step++)
        {
            optimizer.zero_grad();
            seen.AddRange(Steps.Numbers(Steps.Run(module, ModelInitModules.Input(seed: step), recipe)));
            optimizer.step();
        }

        return seen;
    }

    [Test]
    public void A_module_with_masters_trains_bit_for_bit_as_an_ordinary_one(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        using var ordinary = ModelInitModules.Make(kind);
        using var module = ModelInitModules.MakeCodes(kind, recipe, preserves: true);
        Float8.AddMasterWeights(module);
        var expected = Train(ordinary, recipe);
        Assert.That(Train(module, recipe), Is.EqualTo(expected));
        Assert.That(expected.Chunk(expected.Count / 4).Select(step => step.Sum()).Distinct().Count(), Is.EqualTo(4));
    }

    [Test]
    public void Without_masters_only_norms_and_biases_are_trained()
    {
        var recipe = new Float8CurrentScaling();
        using var module = ModelInitModules.MakeCodes("LayerNormMLP", recipe);
        var before = module
            .state_dict()
            .ToDictionary(entry => entry.Key, entry => entry.Value.clone(), StringComparer.Ordinal);
        Train(module, recipe);
        foreach (var (name, tensor) in module.state_dict())
        {
            var isFloating = tensor.dtype == ScalarType.Float32;
            Assert.That(tensor.equal(before[name]).all().item<bool>(), Is.EqualTo(!isFloating), name);
        }
    }

    [Test]
    public void Initial_values_have_the_names_of_parameters_and_their_values([ValueSource(nameof(Kinds))] string kind)
    {
        using var ordinary = ModelInitModules.Make(kind);
        using var module = ModelInitModules.MakeCodes(kind, new DelayedScaling(), preserves: true);
        var values = Float8.HighPrecisionInitialValues(module);
        var expected = ordinary
            .named_parameters()
            .Where(pair => ModelInitModules.IsProductWeight(pair.name, pair.parameter))
            .ToList();
        Assert.That(values.Keys, Is.EquivalentTo(expected.Select(pair => pair.name)));
        foreach (var (name, parameter) in expected)
        {
            Assert.That(Steps.Numbers(values[name]), Is.EqualTo(Steps.Numbers(parameter)), name);
        }

        Float8.ClearHighPrecisionInitialValues(module);
        Assert.That(Float8.HighPrecisionInitialValues(module), Is.Empty);
    }

    [Test]
    public void Without_being_asked_for_initial_values_are_not_kept()
    {
        using var module = ModelInitModules.MakeCodes("Linear", new DelayedScaling());
        Assert.That(Float8.HighPrecisionInitialValues(module), Is.Empty);
    }

    [TestCase(true, ScalarType.Float32)]
    [TestCase(false, ScalarType.Float32)]
    [TestCase(true, ScalarType.BFloat16)]
    public void A_master_begins_as_the_initial_value_or_as_the_codes(bool preserves, ScalarType dtype)
    {
        using var ordinary = (TE.Linear)ModelInitModules.Make("Linear");
        using var module = ModelInitModules.MakeCodes("Linear", new Float8CurrentScaling(), preserves);
        Float8.AddMasterWeights(module, dtype);
        var master = module.get_parameter("weight_master")!;
        Assert.That((master.dtype, master.requires_grad), Is.EqualTo((dtype, true)));
        var distance = Closeness.Distance(master, ordinary.weight);
        Assert.That(distance == 0, Is.EqualTo(preserves && dtype == ScalarType.Float32));
        Assert.That(distance, Is.LessThan(preserves ? 0.004 : 0.03)); // half a unit of 8 bits of mantissa, and of 4
        Assert.That(Float8.HighPrecisionInitialValues(module), Is.Empty);
        Float8.AddMasterWeights(module);
        Assert.That(module.get_parameter("weight_master"), Is.SameAs(master));
    }

    [Test]
    public void The_gradient_of_a_master_has_its_dtype_whatever_activations_have()
    {
        using var module = ModelInitModules.MakeCodes("SplitLinear", new Float8CurrentScaling(), preserves: true);
        Float8.AddMasterWeights(module);
        module.get_parameter("query_bias")!.requires_grad = false;
        using var autocast = new NBit.Amp.Autocast(TorchSharp.DeviceType.CPU, ScalarType.BFloat16);
        Steps.Run(module, ModelInitModules.Input(), new Float8CurrentScaling());
        var gradient = module.get_parameter("weight_master")!.grad!;
        Assert.That(gradient.dtype, Is.EqualTo(ScalarType.Float32));
        // It is not rounded to the dtype of activations on the way.
        Assert.That(gradient.bfloat16().to(ScalarType.Float32).equal(gradient).all().item<bool>(), Is.False);
    }

    [Test]
    public void Outside_of_regions_a_master_is_multiplied_itself([ValueSource(nameof(Kinds))] string kind)
    {
        using var ordinary = ModelInitModules.Make(kind);
        using var module = ModelInitModules.MakeCodes(kind, new DelayedScaling(), preserves: true);
        Float8.AddMasterWeights(module);
        var x = ModelInitModules.Input();
        var (y, z) = (module.forward(x), ordinary.forward(x));
        Assert.That(Steps.Numbers(y), Is.EqualTo(Steps.Numbers(z)));
        y.sum().backward();
        Assert.That(module.parameters().Where(parameter => parameter.requires_grad).All(p => p.grad is not null));
    }

    [Test]
    public void A_later_microbatch_takes_the_codes_of_the_first()
    {
        var recipe = new Float8CurrentScaling();
        using var layer = (TE.Linear)ModelInitModules.MakeCodes("Linear", recipe, preserves: true);
        Float8.AddMasterWeights(layer);
        var x = ModelInitModules.Input();
        using var region = Float8.Autocast(recipe);
        var first = layer.forward(x, isFirstMicrobatch: true);
        using (no_grad())
        {
            layer.get_parameter("weight_master")!.zero_();
        }

        Assert.That(Steps.Numbers(layer.forward(x, isFirstMicrobatch: false)), Is.EqualTo(Steps.Numbers(first)));
        var changed = layer.forward(x, isFirstMicrobatch: true);
        Assert.That(Steps.Numbers(changed), Is.All.EqualTo(0));
    }

    [Test]
    public void A_master_may_change_before_the_backward_pass()
    {
        var recipe = new Float8CurrentScaling();
        var gradients = new[] { false, true }
            .Select(changes =>
            {
                using var layer = ModelInitModules.MakeCodes("Linear", recipe, preserves: true);
                Float8.AddMasterWeights(layer);
                var x = ModelInitModules.Input().requires_grad_();
                var y = Steps.Forward(layer, x, recipe);
                if (changes)
                {
                    using var grad = no_grad();
                    layer.get_parameter("weight_master")!.zero_();
                    Steps.Forward(layer, x, recipe); // casts other codes
                }

                y.backward([ones_like(y)]);
                return Steps.Numbers(x.grad!);
            })
            .ToArray();
        Assert.That(gradients[1], Is.EqualTo(gradients[0]).And.Some.Not.Zero);
    }

    [Test]
    public void Removed_masters_leave_their_last_codes(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        using var module = ModelInitModules.MakeCodes(kind, recipe, preserves: true);
        Float8.AddMasterWeights(module);
        Train(module, recipe);
        var x = ModelInitModules.Input();
        Float8.RemoveMasterWeights(module);
        var without = Steps.Numbers(Evaluate(module));
        Assert.That(
            module.named_parameters().Select(pair => pair.name),
            Is.EqualTo(ModelInitModules.Make(kind).named_parameters().Select(pair => pair.name))
        );
        using var again = ModelInitModules.MakeCodes(kind, recipe, preserves: true);
        Float8.AddMasterWeights(again);
        Train(again, recipe);
        Assert.That(Steps.Numbers(Evaluate(again)), Is.EqualTo(without));

        Tensor Evaluate(nn.Module<Tensor, Tensor> trained)
        {
            using var grad = no_grad();
            return Steps.Forward(trained, x, recipe);
        }
    }

    [Test]
    public void A_checkpointed_function_trains_masters_as_it_does_without(
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        // The second run takes random numbers that the first one did not.
        recipe = recipe is NVFP4BlockScaling pairs ? pairs with { DisableStochasticRounding = true } : recipe;
        var gradients = new[] { false, true }
            .Select(checkpoints =>
            {
                using var layer = ModelInitModules.MakeCodes("LayerNormMLP", recipe, preserves: true);
                Float8.AddMasterWeights(layer);
                for (var step = 0; step < 3; step++)
                {
                    var x = ModelInitModules.Input(step);
                    Tensor y;
                    using (Float8.Autocast(recipe))
                    {
                        y = checkpoints ? Float8.Checkpoint(layer.forward, x) : layer.forward(x);
                    }

                    manual_seed(9);
                    y.backward([ones_like(y)]);
                }

                return Steps.Numbers(layer.get_parameter("fc1_weight_master")!.grad!);
            })
            .ToArray();
        Assert.That(gradients[1], Is.EqualTo(gradients[0]).And.Some.Not.Zero);
    }

    [Test]
    public void Steps_leave_no_tensor_behind(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        using var module = ModelInitModules.MakeCodes(kind, recipe);
        Float8.AddMasterWeights(module);
        var x = ModelInitModules.Input().requires_grad_();
        Once();
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                for (var step = 0; step < 3; step++)
                {
                    Once();
                }
            }
        );

        void Once()
        {
            using var scope = NewDisposeScope();
            Steps.Run(module, x, recipe);
            Steps.Forward(module, x, recipe); // a graph without a backward pass
            module.forward(x);
        }
    }

    [TestCase(ScalarType.Float64)]
    [TestCase(ScalarType.Int8)]
    public void Another_dtype_is_refused(ScalarType dtype)
    {
        using var module = ModelInitModules.MakeCodes("Linear", new DelayedScaling());
        Assert.That(
            () => Float8.AddMasterWeights(module, dtype),
            Throws.ArgumentException.With.Message.Contains("allowed are Float32, BFloat16 and Float16")
        );
        Assert.That(module.named_parameters().Count(), Is.EqualTo(2));
    }

    [Test]
    public void A_model_without_codes_is_refused()
    {
        using var module = ModelInitModules.Make("Linear");
        Assert.That(
            () => Float8.AddMasterWeights(module),
            Throws.ArgumentException.With.Message.Contains("inside Float8.ModelInit")
        );
        Assert.That(() => Float8.RemoveMasterWeights(module), Throws.ArgumentException);
    }
}
