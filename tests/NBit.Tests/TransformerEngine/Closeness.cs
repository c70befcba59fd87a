using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.Tests.TransformerEngine;

/// <summary>How near results of modules are to those of compositions.</summary>
internal static class Closeness
{
    /// <summary>Norm of the difference, of that of what is expected. The composition sums the same float32 numbers in
    /// another order: some hundred roundings of 2^-24.</summary>
    public const double Float32 = 1e-5;

    /// <summary>
    /// What rounding operands to codes may add to results, relative in norm. A code of m mantissa bits misses by at
    /// most 2^-(m+1) of a number, on average by 1/sqrt(3) of that; independent errors add up in squares. A product has
    /// two operands in forward direction, and one of those and a gradient in the backward one.
    /// </summary>
    /// <param name="recipe">The recipe.</param>
    /// <param name="forward">The products, one after the other, that a result of the forward pass went through.</param>
    /// <param name="backward">The products in the backward pass.</param>
    public static double Of8Bits(Float8Recipe recipe, int forward, int backward = 0)
    {
        var mantissa = recipe.ForwardType == CodeFormat.E4M3 && recipe is not NVFP4BlockScaling ? 3 : 1;
        var gradientMantissa =
            recipe is NVFP4BlockScaling ? 1
            : recipe.BackwardType == CodeFormat.E5M2 ? 2
            : 3;
        var (own, gradient) = (Square(mantissa), Square(gradientMantissa));
        return Math.Sqrt((forward * 2 * own) + (backward * (own + gradient)));

        static double Square(int bits) => Math.Pow(2, -2 * (bits + 1)) / 3;
    }

    /// <summary>The distance, relative in norm.</summary>
    public static double Distance(Tensor actual, Tensor expected)
    {
        var (a, b) = (actual.detach().to(ScalarType.Float64), expected.detach().to(ScalarType.Float64));
        return (a - b).norm().item<double>() / b.norm().item<double>();
    }

    public static void AssertNear(Tensor actual, Tensor expected, double limit, string name = "output")
    {
        Assert.That(actual.shape, Is.EqualTo(expected.shape), name);
        Assert.That(Distance(actual, expected), Is.LessThanOrEqualTo(limit), name);
    }

    /// <summary>An output that went through codes: not farther than they explain, nor as near as without
    /// them.</summary>
    public static void AssertNearIn8Bits(Tensor actual, Tensor expected, double limit)
    {
        AssertNear(actual, expected, limit);
        Assert.That(Distance(actual, expected), Is.GreaterThan(limit / 4), "no codes were used");
    }

    /// <summary>Gradients of a module beside those of its composition. Those that are 0 but for rounding, as of the
    /// bias of keys in a softmax, are compared with the largest of all.</summary>
    public static void AssertGradientsNear(nn.Module module, IReadOnlyDictionary<string, Tensor> expected, double limit)
    {
        var largest = expected.Values.Max(gradient => gradient.norm().item<float>());
        Assert.Multiple(() =>
        {
            foreach (var (name, parameter) in module.named_parameters())
            {
                Assert.That(parameter.grad, Is.Not.Null, name);
                var difference = (parameter.grad! - expected[name]).norm().item<float>();
                var size = Math.Max(expected[name].norm().item<float>(), 1e-2f * largest);
                Assert.That(difference / size, Is.LessThanOrEqualTo(limit), name);
            }
        });
    }
}
