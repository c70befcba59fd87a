using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.Tests.TransformerEngine;

/// <summary>Activations, beside libtorch's.</summary>
public sealed class ActivationTests : DisposeScopeFixture
{
    public static readonly string[] Names =
    [
        "gelu",
        "geglu",
        "glu",
        "qgelu",
        "qgeglu",
        "relu",
        "reglu",
        "srelu",
        "sreglu",
        "silu",
        "swiglu",
        "clamped_swiglu",
    ];

    [Test]
    public void Values_and_gradients_are_libtorchs([ValueSource(nameof(Names))] string name)
    {
        manual_seed(1);
        var activation = Activation.Parse(name);
        var x = cat([randn(50, 8), randn(50, 8) * 8, zeros(1, 8), full([1, 8], 7f), full([1, 8], -7f)], 0);
        var y = Composition.Activate(name, x.requires_grad_());
        var gradient = randn_like(y);
        y.backward([gradient]);
        using (no_grad())
        {
            // Sigmoid and tanh end in differences of numbers near 1, which are multiplied by one or two inputs.
            var tolerance = Math.Pow(x.abs().max().item<float>(), activation.IsGated ? 2 : 1) * Math.Pow(2, -24);
            Assert.That(activation.Value(x).allclose(y, rtol: 1e-5, atol: tolerance), Is.True, "value");
            Assert.That(
                activation.Gradient(gradient, x).allclose(x.grad!, rtol: 1e-5, atol: tolerance),
                Is.True,
                "gradient"
            );
        }
    }

    [Test]
    public void Names_ending_in_glu_are_gated([ValueSource(nameof(Names))] string name)
    {
        var activation = Activation.Parse(name);
        Assert.That(activation.IsGated, Is.EqualTo(name.EndsWith("glu", StringComparison.Ordinal)));
        Assert.That(activation.ToString(), Is.EqualTo(name));
    }

    [Test]
    public void Limit_slope_and_offset_of_the_clamped_one_can_be_chosen()
    {
        var x = tensor([9f, -9f, 3f, 5f], [1, 4]); // two numbers, and two that gate them
        var y = Activation.ClampedSwiGLU(limit: 4, alpha: 0.5, offset: 2).Value(x);
        double[] expected = [4 / (1 + Math.Exp(-2)) * (3 + 2), -9 / (1 + Math.Exp(4.5)) * (4 + 2)];
        Assert.That(Steps.Numbers(y), Is.EqualTo(expected).Within(1e-5));
        Assert.That(() => Activation.ClampedSwiGLU(limit: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [TestCase("tanh")]
    [TestCase("GELU")]
    [TestCase("")]
    public void Another_name_is_refused(string name) =>
        Assert.That(
            () => Activation.Parse(name),
            Throws
                .InstanceOf<NotSupportedException>()
                .With.Message.Contains($"Activation type {name} is not supported!")
                .And.Message.Contains("clamped_swiglu")
        );
}
