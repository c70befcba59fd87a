using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>NaN and infinities in inputs and gradients, by the rules of each recipe.</summary>
public sealed class NotFiniteTests : DisposeScopeFixture
{
    private static readonly Float8Recipe[] WithNaN =
    [
        .. Steps.Recipes.Where(recipe => recipe is not NVFP4BlockScaling),
    ];

    private static readonly Float8Recipe[] InRows = [new MXFP8BlockScaling(), new Float8BlockScaling()];

    private static readonly NVFP4BlockScaling Pairs = new(disableStochasticRounding: true);

    private static TE.Linear Layer()
    {
        manual_seed(1);
        return new(64, 8, hasBias: false);
    }

    private static Tensor Input()
    {
        manual_seed(2);
        return randn(32, 64);
    }

    private static Tensor With(Tensor x, float value)
    {
        var other = x.clone();
        other[1, 3] = value;
        return other;
    }

    // Rows of results in which all elements are NaN, and those in which some are.
    private static (long[] All, long[] Some) Rows(Tensor y)
    {
        var counts = y.isnan().sum([-1]).data<long>().ToArray();
        return (Which(count => count == y.shape[^1]), Which(count => count > 0));

        long[] Which(Func<long, bool> holds) =>
            [.. Enumerable.Range(0, counts.Length).Where(row => holds(counts[row])).Select(row => (long)row)];
    }

    [TestCaseSource(nameof(WithNaN))]
    public void NaN_reaches_the_results_of_its_row_and_leaves_the_others_as_they_are(Float8Recipe recipe)
    {
        using var layer = Layer();
        var x = Input();
        var expected = Steps.Forward(layer, x, recipe);
        Float8States.Of(layer)!.Reset();
        var y = Steps.Forward(layer, With(x, float.NaN), recipe);
        Assert.That(Rows(y), Is.EqualTo((new long[] { 1 }, new long[] { 1 })));
        Assert.That(Steps.Numbers(y.narrow(0, 2, 30)), Is.EqualTo(Steps.Numbers(expected.narrow(0, 2, 30))));
    }

    [TestCaseSource(nameof(WithNaN))]
    public void NaN_in_a_gradient_reaches_the_gradients_it_takes_part_in(Float8Recipe recipe)
    {
        using var layer = Layer();
        var x = Input().requires_grad_();
        var y = Steps.Forward(layer, x, recipe);
        var gradient = ones_like(y);
        gradient[1, 3] = float.NaN;
        y.backward([gradient]);
        Assert.That(Rows(x.grad!).All, Is.EqualTo(new long[] { 1 }));
        Assert.That(Rows(layer.weight.grad!), Is.EqualTo((new long[] { 3 }, new long[] { 3 })));
    }

    // E2M1 has no NaN: it becomes 6, the largest number.
    [Test]
    public void In_4_bits_NaN_becomes_the_largest_number_of_its_block()
    {
        var x = With(Input(), float.NaN);
        using var matrix = Float8Functional.QuantizeNVFP4(x);
        var numbers = Float8Functional.Dequantize(matrix);
        Assert.That(Steps.Numbers(numbers), Has.All.Matches<float>(float.IsFinite));
        var block = numbers[1].narrow(0, 0, 16);
        Assert.That(block[3].item<float>(), Is.EqualTo(block.abs().max().item<float>()).And.GreaterThan(0));
    }

    [TestCaseSource(nameof(InRows))]
    public void An_infinity_leaves_other_rows_as_they_are(Float8Recipe recipe)
    {
        using var layer = Layer();
        var x = Input();
        var expected = Steps.Forward(layer, x, recipe);
        var y = Steps.Forward(layer, With(x, float.PositiveInfinity), recipe);
        Assert.That(Steps.Numbers(y.narrow(0, 2, 30)), Is.EqualTo(Steps.Numbers(expected.narrow(0, 2, 30))));
        Assert.That(Steps.Numbers(y[1]), Is.Not.EqualTo(Steps.Numbers(expected[1])));
    }

    [Test]
    public void In_blocks_of_128_an_infinity_is_cast_with_a_scale_of_1()
    {
        using var matrix = Float8Functional.QuantizeFloat8Blocks(With(Input(), float.NegativeInfinity));
        Assert.That(Steps.Numbers(matrix.Scales)[1], Is.EqualTo(1));
        Assert.That(Float8Functional.Dequantize(matrix)[1, 3].item<float>(), Is.EqualTo(-448));
    }

    [Test]
    public void In_blocks_of_32_an_infinity_takes_the_largest_scale_and_others_become_0()
    {
        using var matrix = Float8Functional.QuantizeMXFP8(With(Input(), float.PositiveInfinity));
        Assert.That(matrix.Scales[1, 0].item<byte>(), Is.EqualTo(0xFE)); // 2^127
        var codes = matrix.Codes[1].narrow(0, 0, 32).data<byte>().ToArray();
        Assert.That(codes[3], Is.EqualTo(0x7E)); // 448
        Assert.That(codes.Where((_, column) => column != 3).Select(code => code & 0x7F), Is.All.Zero);
    }

    [Test]
    public void In_4_bits_an_infinity_spoils_the_scale_of_the_tensor()
    {
        using var matrix = Float8Functional.QuantizeNVFP4(With(Input(), float.PositiveInfinity));
        Assert.That(Steps.Numbers(matrix.Amax!), Is.All.EqualTo(float.PositiveInfinity));
        using var layer = Layer();
        var y = Steps.Forward(layer, With(Input(), float.PositiveInfinity), Pairs);
        Assert.That(Steps.Numbers(y), Has.None.Matches<float>(float.IsFinite));
    }
}
