using NBit.Checkpoints;
using NBit.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.Examples;

/// <summary>The code of docs/float8.md.</summary>
public sealed class Float8Examples : ExampleFixture
{
    private static readonly List<(Tensor X, Tensor Y)> batches = Batches;

    [Test]
    public void A_recipe_is_data()
    {
        // docs/float8: recipe
        var recipe = new MXFP8BlockScaling(Float8Format.Hybrid) { BackwardOverride = BackwardOverride.Dequantized };
        var same = Float8Recipe.FromJson(recipe.ToJson()); // {"version":1,"recipe":"MXFP8BlockScaling","fp8_format":"HYBRID",...
        // end
        Assert.That(same, Is.EqualTo(recipe));
        Assert.That(
            recipe.ToJson(),
            Does.StartWith("""{"version":1,"recipe":"MXFP8BlockScaling","fp8_format":"HYBRID",""")
        );
    }

    [Test]
    public void A_loop_with_regions()
    {
        // docs/float8: regions
        using var model = nn.Sequential(new TE.LayerNormMLP(64, 256), new TE.Linear(64, 10));
        using var optimizer = optim.AdamW(model.parameters(), lr: 1e-3);
        var recipe = new DelayedScaling(amaxHistoryLength: 16);
        foreach (var (x, y) in batches)
        {
            optimizer.zero_grad();
            Tensor output;
            using (Float8.Autocast(recipe))
            {
                output = model.forward(x);
            }

            nn.functional.cross_entropy(output, y).backward();
            optimizer.step();
        }

        var scales = Float8.ScalesOf(model.children().OfType<TE.Linear>().Single())!;
        Console.WriteLine($"the input's amax was {scales.Forward.Amax[0]}, its scale is {scales.Forward.Scale[0]}");
        // end
        Assert.That(scales.Forward.Amax[0], Is.GreaterThan(0));
        Assert.That(scales.Forward.Scale[0], Is.LessThanOrEqualTo(448 / scales.Forward.Amax[0]).And.GreaterThan(1));
    }

    [Test]
    public void Microbatches()
    {
        // docs/float8: microbatches
        using var layer = new TE.Linear(64, 10, fuseWeightGradientAccumulation: true)
        {
            MainGradient = zeros([10, 64], ScalarType.Float32),
        };
        foreach (var (index, (x, _)) in batches.Index())
        {
            using var region = Float8.Autocast(new Float8CurrentScaling());
            using var output = layer.forward(x, isFirstMicrobatch: index == 0); // casts the weight; then takes its codes
            output.mean().backward(); // the first one overwrites MainGradient
        }
        // end
        Assert.That(layer.MainGradient.abs().sum().item<float>(), Is.GreaterThan(0));
        layer.MainGradient.Dispose();
    }

    [Test]
    public void Recomputation()
    {
        // docs/float8: recomputation
        using var block = new TE.TransformerLayer(64, 256, 4, new() { Format = TE.SequenceFormat.Bshd });
        using var x = randn([2, 16, 64]).requires_grad_();
        using (Float8.Autocast())
        {
            using var output = Float8.Checkpoint(block.forward, x);
            output.mean().backward();
        }
        // end
        Assert.That(x.grad!.isfinite().all().item<bool>(), Is.True);
        Assert.That(block.parameters().Select(parameter => parameter.grad), Has.None.Null);
    }

    [Test]
    public void Weights_as_codes_alone()
    {
        // docs/float8: ModelInit
        var recipe = new Float8CurrentScaling();
        TE.TransformerLayer layer;
        using (Float8.ModelInit(recipe, preserveHighPrecisionInitialValue: true))
        {
            layer = new(64, 256, 4);
        }

        Console.WriteLine($"{MemorySize.ModuleBytes(layer)} bytes"); // initial values lie beside them on request
        Float8.AddMasterWeights(layer); // takes them over; from here on the weights can be trained
        using var optimizer = optim.AdamW(layer.parameters().Where(parameter => parameter.requires_grad), lr: 1e-3);
        using (Float8.Autocast(recipe))
        {
            layer.forward(randn(16, 2, 64)).square().mean().backward();
        }

        optimizer.step();
        Float8.RemoveMasterWeights(layer); // codes alone again, of the trained weights
        ModelFile.Save(layer, "layer.safetensors");
        // end
        var weights = (4 * 64 * 64) + (2 * 64 * 256);
        Assert.That(MemorySize.ModuleBytes(layer), Is.GreaterThan(weights).And.LessThan(1.2 * weights));
        Assert.That(File.Exists("layer.safetensors"), Is.True);
        layer.Dispose();
    }
}
