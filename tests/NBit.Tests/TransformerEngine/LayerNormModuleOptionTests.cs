using NBit.Interop;
using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>What options make of LayerNormLinear and LayerNormMLP, and which are refused.</summary>
public sealed class LayerNormModuleOptionTests : DisposeScopeFixture
{
    [Test]
    public void Parameters_have_the_names_sizes_and_values_of_Transformer_Engine()
    {
        manual_seed(1);
        using var linear = new TE.LayerNormLinear(200, 100);
        using var mlp = new TE.LayerNormMLP(
            120,
            80,
            Activation.SwiGLU,
            new() { ZeroCenteredGamma = true, Normalization = NormalizationKind.RMSNorm }
        );
        using var plain = new TE.LayerNormMLP(6, 8, options: new() { HasBias = false });
        Assert.That(
            Shapes(linear),
            Is.EqualTo("layer_norm_weight [200], layer_norm_bias [200], weight [100, 200], bias [100]")
        );
        Assert.That(
            Shapes(mlp),
            Is.EqualTo(
                "layer_norm_weight [120], fc1_weight [160, 120], fc1_bias [160], fc2_weight [120, 80], fc2_bias [120]"
            )
        );
        Assert.That(
            Shapes(plain),
            Is.EqualTo("layer_norm_weight [6], layer_norm_bias [6], fc1_weight [8, 6], fc2_weight [6, 8]")
        );
        Assert.That(Steps.Numbers(linear.LayerNormWeight), Is.All.EqualTo(1));
        Assert.That(Steps.Numbers(mlp.LayerNormWeight), Is.All.Zero);
        Assert.That(Steps.Numbers(linear.LayerNormBias!).Concat(Steps.Numbers(linear.Bias!)), Is.All.Zero);
        Assert.That(Steps.Numbers(mlp.Fc1Bias!).Concat(Steps.Numbers(mlp.Fc2Bias!)), Is.All.Zero);
        foreach (var weight in new[] { linear.Weight!, mlp.Fc1Weight, mlp.Fc2Weight })
        {
            Assert.That(weight.std().item<float>(), Is.EqualTo(0.023).Within(0.001));
        }
    }

    private static readonly (string, long)[] QueryAndKey = [("query", 6), ("key", 4)];

    private static readonly Func<TE.Float8Module>[] InParts =
    [
        () => new TE.SplitLinear(8, QueryAndKey),
        () => new TE.LayerNormLinear(8, 10, parametersSplit: QueryAndKey),
    ];

    // With parts that could not be put together.
    [Test]
    public void Parts_of_a_weight_are_not_put_together_where_their_codes_are_cached([Values(0, 1)] int index)
    {
        using var layer = InParts[index]();
        var x = randn(2, 8).requires_grad_();
        using var region = Float8.Autocast(new Float8CurrentScaling());
        var first = layer.forward(x, isFirstMicrobatch: true);
        NativeTensor.SetData(layer.get_parameter("key_weight")!, zeros(4, 7));
        var second = layer.forward(x, isFirstMicrobatch: false);
        Assert.That(Steps.Numbers(second), Is.EqualTo(Steps.Numbers(first)));
        Assert.That(() => layer.forward(x), Throws.InstanceOf<System.Runtime.InteropServices.ExternalException>());
    }

    [Test]
    public void Parts_of_a_split_layer_have_parameters_of_their_own()
    {
        (string, long)[] parts = [("query", 6), ("key", 4)];
        using var normed = new TE.LayerNormLinear(8, 10, parametersSplit: parts);
        using var split = new TE.SplitLinear(8, parts);
        const string Parts = "query_weight [6, 8], key_weight [4, 8], query_bias [6], key_bias [4]";
        Assert.That(Shapes(split), Is.EqualTo(Parts));
        Assert.That(Shapes(normed), Is.EqualTo("layer_norm_weight [8], layer_norm_bias [8], " + Parts));
        Assert.That(normed.Weight, Is.Null);
        using var whole = new TE.Linear(8, 10);
        using (no_grad())
        {
            whole.weight.copy_(cat([split.get_parameter("query_weight")!, split.get_parameter("key_weight")!], 0));
        }

        var x = randn(5, 8);
        Assert.That(Steps.Numbers(split.forward(x)), Is.EqualTo(Steps.Numbers(whole.forward(x))));
        var (y, z) = (Steps.Run(split, x), Steps.Forward(whole, x));
        Assert.That(Steps.Numbers(y), Is.EqualTo(Steps.Numbers(z)), "in 8 bits");
        Assert.That(split.get_parameter("key_weight")!.grad!.shape, Is.EqualTo(new long[] { 4, 8 }));
    }

    private static readonly (string Message, Action Make)[] Refused =
    [
        ("inFeatures", () => new TE.LayerNormLinear(0, 1)),
        ("outFeatures", () => new TE.LayerNormLinear(1, 0)),
        ("hiddenSize", () => new TE.LayerNormMLP(0, 1)),
        ("ffnHiddenSize", () => new TE.LayerNormMLP(1, 0)),
        ("use one of LayerNorm, RMSNorm", () => new TE.LayerNormModuleOptions { Normalization = (NormalizationKind)7 }),
        ("do not make up a layer of 8", () => new TE.LayerNormLinear(4, 8, null, [("a", 3), ("b", 4)])),
        ("names of their own", () => new TE.LayerNormLinear(4, 8, null, [("a", 4), ("a", 4)])),
        ("names of their own", () => new TE.SplitLinear(4, [("", 4)])),
        (
            "leave out parametersSplit",
            () => new TE.LayerNormLinear(4, 8, new() { FuseWeightGradientAccumulation = true }, [("a", 8)])
        ),
    ];

    [Test]
    public void Options_that_do_not_fit_are_refused([Range(0, 8)] int index) =>
        Assert.That(
            () => Refused[index].Make(),
            Throws.InstanceOf<ArgumentException>().With.Message.Contains(Refused[index].Message)
        );

    private static string Shapes(nn.Module module) =>
        string.Join(
            ", ",
            module.named_parameters().Select(pair => $"{pair.name} [{string.Join(", ", pair.parameter.shape)}]")
        );
}
