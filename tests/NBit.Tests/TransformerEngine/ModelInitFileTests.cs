using NBit.Checkpoints;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.Tests.TransformerEngine;

/// <summary>Weights that are codes alone, in files.</summary>
public sealed class ModelInitFileTests : DisposeScopeFixture
{
    private TemporaryDirectory _folder = null!;

    private string Path => _folder.File("model.safetensors");

    private static IEnumerable<string> Kinds() => ModelInitModules.All.Keys;

    private static IEnumerable<Float8Recipe> Recipes() => Steps.Recipes;

    [SetUp]
    public void MakeFolder() => _folder = new();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    // With gradients on, so that scales move on.
    private static float[] Evaluate(nn.Module<Tensor, Tensor> module, Float8Recipe recipe) =>
        Steps.Numbers(Steps.Forward(module, ModelInitModules.Input(), recipe));

    [Test]
    public void A_loaded_module_is_the_saved_one(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe,
        [Values] bool hasMasters
    )
    {
        var (saved, loaded) = (Make(seed: 1), Make(seed: 2));
        using (saved)
        using (loaded)
        {
            Steps.Run(saved, ModelInitModules.Input(), recipe);
            ModelFile.Save(saved, Path);
            ModelFile.Load(loaded, Path);
            for (var step = 0; step < 2; step++)
            {
                Assert.That(Evaluate(loaded, recipe), Is.EqualTo(Evaluate(saved, recipe)));
            }
        }

        nn.Module<Tensor, Tensor> Make(long seed)
        {
            var module = ModelInitModules.MakeCodes(kind, recipe, preserves: true, seed);
            if (hasMasters)
            {
                Float8.AddMasterWeights(module);
            }

            return module;
        }
    }

    [Test]
    public void TorchSharps_state_dict_holds_all_of_it([ValueSource(nameof(Recipes))] Float8Recipe recipe)
    {
        using var from = ModelInitModules.MakeCodes("SplitLinear", recipe, seed: 1);
        using var to = ModelInitModules.MakeCodes("SplitLinear", recipe, seed: 2);
        to.load_state_dict(from.state_dict());
        Assert.That(Evaluate(to, recipe), Is.EqualTo(Evaluate(from, recipe)));
    }

    [Test]
    public void A_file_in_floating_point_is_cast(
        [ValueSource(nameof(Kinds))] string kind,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe,
        [Values] bool hasMasters
    )
    {
        using var saved = ModelInitModules.Make(kind);
        ModelFile.Save(saved, Path);
        using var loaded = ModelInitModules.MakeCodes(kind, recipe, seed: 2);
        if (hasMasters)
        {
            Float8.AddMasterWeights(loaded);
        }

        ModelFile.Load(loaded, Path);
        Assert.That(Evaluate(loaded, recipe), Is.EqualTo(Evaluate(saved, recipe)));
    }

    [Test]
    public void The_scales_of_such_a_file_are_those_it_is_cast_with()
    {
        var recipe = new DelayedScaling(amaxHistoryLength: 2);
        using var saved = ModelInitModules.Make("LayerNormMLP");
        Steps.Run(saved, ModelInitModules.Input(), recipe);
        ModelFile.Save(saved, Path);
        using var loaded = ModelInitModules.MakeCodes("LayerNormMLP", recipe, seed: 2);
        ModelFile.Load(loaded, Path);
        Assert.That(Evaluate(loaded, recipe), Is.EqualTo(Evaluate(saved, recipe)));
    }

    [Test]
    public void Codes_are_not_taken_for_a_weight_in_floating_point()
    {
        using var saved = ModelInitModules.MakeCodes("Linear", new DelayedScaling());
        ModelFile.Save(saved, Path);
        using var ordinary = ModelInitModules.Make("Linear", seed: 2);
        var before = Steps.Numbers(ordinary.get_parameter("weight")!);
        Assert.That(
            () => ModelFile.Load(ordinary, Path),
            Throws.ArgumentException.With.Message.Contains("weight_scales is not in the model")
        );
        Assert.That(Steps.Numbers(ordinary.get_parameter("weight")!), Is.EqualTo(before));
    }

    [Test]
    public void A_weight_of_another_shape_is_refused_before_anything_changes()
    {
        using var saved = nn.Linear(ModelInitModules.Features, 40);
        ModelFile.Save(saved, Path);
        using var loaded = ModelInitModules.MakeCodes("Linear", new DelayedScaling());
        var before = Steps.Numbers(loaded.forward(ModelInitModules.Input()));
        Assert.That(
            () => ModelFile.Load(loaded, Path),
            Throws.ArgumentException.With.Message.Contains("weight is [40, 32], the model has [48, 32]")
        );
        Assert.That(Steps.Numbers(loaded.forward(ModelInitModules.Input())), Is.EqualTo(before));
    }
}
