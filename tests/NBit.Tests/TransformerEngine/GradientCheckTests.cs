using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Gradients of modules outside of regions beside finite differences.</summary>
public sealed class GradientCheckTests : DisposeScopeFixture
{
    // Central differences miss by the third derivative times Step^2 / 6, and by the rounding of float32 sums over Step:
    // far less than a percent of the slopes here, which are far above 1.
    private const double Step = 0.002;

    private static IEnumerable<string> Modules() => ModelInitModules.All.Keys;

    private static IEnumerable<string> Activations() => ActivationTests.Names;

    [Test]
    public void Gradients_of_modules_are_slopes([ValueSource(nameof(Modules))] string name)
    {
        using var module = ModelInitModules.Make(name);
        Check(module);
    }

    [Test]
    public void So_they_are_with_every_activation([ValueSource(nameof(Activations))] string name)
    {
        manual_seed(1);
        using var module = new TE.LayerNormMLP(ModelInitModules.Features, 24, Activation.Parse(name));
        Check(module);
    }

    // Along the gradient of the input and all parameters at once, and of the input alone: the slope is the gradient's
    // norm only if the gradient is right in size and direction.
    private static void Check(nn.Module<Tensor, Tensor> module)
    {
        foreach (var parameter in module.parameters().Where(parameter => parameter.dim() == 2))
        {
            using var grad = no_grad();
            parameter.mul_(8); // weights of N(0, 0.18): results far above rounding
        }

        var x = ModelInitModules.Input().requires_grad_();
        manual_seed(7);
        var weights = randn_like(module.forward(x));
        (module.forward(x) * weights).sum().backward();
        var leaves = module.parameters().Append<Tensor>(x).ToList();
        Assert.That(leaves.Select(leaf => leaf.grad), Has.None.Null);
        foreach (var along in new[] { leaves, [x] })
        {
            var norm = Math.Sqrt(along.Sum(leaf => leaf.grad!.square().sum().item<float>()));
            var directions = along.Select(leaf => leaf.grad! / norm).ToList();
            var slope = (Moved(Step) - Moved(-Step)) / (2 * Step);
            Assert.That(slope, Is.EqualTo(norm).Within(1).Percent);

            double Moved(double step)
            {
                using var grad = no_grad();
                foreach (var (leaf, direction) in along.Zip(directions))
                {
                    leaf.add_(direction, alpha: step);
                }

                var value = (module.forward(x) * weights).to(ScalarType.Float64).sum().item<double>();
                foreach (var (leaf, direction) in along.Zip(directions))
                {
                    leaf.add_(direction, alpha: -step);
                }

                return value;
            }
        }
    }
}
