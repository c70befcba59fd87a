using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Forward passes in 8 bits whose backward passes are in floating point.</summary>
public sealed class BackwardOverrideTests : DisposeScopeFixture
{
    private static readonly BackwardOverride[] Kinds = [BackwardOverride.HighPrecision, BackwardOverride.Dequantized];

    private static IEnumerable<Float8Recipe> Recipes() => Steps.Recipes.Where(recipe => recipe is not DelayedScaling);

    private static IEnumerable<string> Modules() => ModelInitModules.All.Keys;

    // What the forward pass multiplied, as numbers.
    private static (Tensor Input, Tensor Weight) Operands(
        BackwardOverride kind,
        OperandWatch watch,
        Tensor x,
        Tensor w
    ) =>
        kind == BackwardOverride.HighPrecision
            ? (x.detach(), w.detach())
            : (
                Float8Functional.Dequantize(watch.Newest(OperandRole.Input, 0).RowWise!, x.dtype),
                Float8Functional.Dequantize(watch.Newest(OperandRole.Weight, 0).RowWise!, x.dtype)
            );

    [Test]
    public void Gradients_are_libtorchs_products_of_originals_or_of_what_codes_stand_for(
        [ValueSource(nameof(Recipes))] Float8Recipe recipe,
        [ValueSource(nameof(Kinds))] BackwardOverride kind,
        [Values(ScalarType.Float32, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        using var layer = new TE.Linear(37, 19, dtype: dtype);
        var x = randn([5, 37], dtype).requires_grad_();
        var usual = Steps.Forward(layer, x, recipe);
        using var watch = new OperandWatch();
        var y = Steps.Forward(layer, x, recipe with { BackwardOverride = kind });
        Assert.That(Steps.Numbers(y), Is.EqualTo(Steps.Numbers(usual)));
        var dy = randn_like(y);
        y.backward([dy]);
        var (input, weight) = Operands(kind, watch, x, layer.weight);
        Assert.That(Steps.Numbers(x.grad!), Is.EqualTo(Steps.Numbers(dy.matmul(weight))));
        Assert.That(Steps.Numbers(layer.weight.grad!), Is.EqualTo(Steps.Numbers(dy.t().matmul(input))));
        Assert.That(Steps.Numbers(layer.bias!.grad!), Is.EqualTo(Steps.Numbers(dy.sum([0]))));
    }

    [Test]
    public void All_modules_take_it_and_leave_nothing_behind(
        [ValueSource(nameof(Modules))] string module,
        [ValueSource(nameof(Recipes))] Float8Recipe recipe,
        [ValueSource(nameof(Kinds))] BackwardOverride kind,
        [Values] bool codes
    )
    {
        var own = recipe with { BackwardOverride = kind };
        using var layer = codes ? ModelInitModules.MakeCodes(module, own) : ModelInitModules.Make(module);
        var x = ModelInitModules.Input().requires_grad_();
        var before = Float8.BytesKeptForBackward;
        Once();
        TensorCount.AssertChangedBy(0, Once);
        Assert.That(Float8.BytesKeptForBackward, Is.EqualTo(before));
        Steps.Run(layer, x, own);
        Assert.That(Steps.Numbers(x.grad!), Has.None.NaN.And.Some.Not.Zero);

        void Once()
        {
            using var scope = NewDisposeScope();
            Steps.Run(layer, x, own);
            Steps.Forward(layer, x, own);
        }
    }

    [TestCase(BackwardOverride.HighPrecision)]
    [TestCase(BackwardOverride.Dequantized)]
    public void A_gradient_of_the_weight_goes_to_the_callers_tensor(BackwardOverride kind)
    {
        var recipe = new Float8CurrentScaling { BackwardOverride = kind };
        using var plain = new TE.Linear(8, 4, hasBias: false);
        using var layer = new TE.Linear(8, 4, hasBias: false, fuseWeightGradientAccumulation: true)
        {
            MainGradient = full(4, 8, 3.0),
        };
        using (no_grad())
        {
            layer.weight.copy_(plain.weight);
        }

        var x = randn(2, 8);
        foreach (var isFirst in new[] { true, false })
        {
            Tensor y;
            using (Float8.Autocast(recipe))
            {
                y = layer.forward(x, isFirst);
            }

            y.backward([ones_like(y)]);
        }

        var z = Steps.Forward(plain, x, recipe);
        z.backward([ones_like(z)]);
        Assert.That(Steps.Numbers(layer.MainGradient), Is.EqualTo(Steps.Numbers(plain.weight.grad! * 2)));
        Assert.That(layer.weight.grad, Is.Null);
    }

    [TestCase(BackwardOverride.HighPrecision)]
    [TestCase(BackwardOverride.Dequantized)]
    public void The_weight_may_change_before_the_backward_pass(BackwardOverride kind)
    {
        using var layer = new TE.Linear(8, 4);
        var x = randn(2, 8).requires_grad_();
        var y = Steps.Forward(layer, x, new Float8CurrentScaling { BackwardOverride = kind });
        using (no_grad())
        {
            layer.weight.zero_();
        }

        y.backward([ones_like(y)]);
        Assert.That(Steps.Numbers(x.grad!), Has.Some.Not.Zero);
    }

    [Test]
    public void A_cached_weight_serves_either_kind_of_backward_pass()
    {
        using var layer = new TE.Linear(8, 4);
        var recipe = new MXFP8BlockScaling { BackwardOverride = BackwardOverride.Dequantized };
        var x = randn(2, 8).requires_grad_();
        using (Float8.Autocast(recipe))
        {
            layer.forward(x, isFirstMicrobatch: true);
        }

        Tensor y;
        using (Float8.Autocast(recipe with { BackwardOverride = BackwardOverride.None }))
        {
            y = layer.forward(x, isFirstMicrobatch: false);
        }

        y.backward([ones_like(y)]);
        Assert.That(Steps.Numbers(x.grad!), Has.Some.Not.Zero);
    }

    [Test]
    public void Delayed_scaling_takes_none([ValueSource(nameof(Kinds))] BackwardOverride kind)
    {
        Assert.That(
            () => new DelayedScaling { BackwardOverride = kind },
            Throws.ArgumentException.With.Message.Contains("use another recipe")
        );
        Assert.That(new DelayedScaling { BackwardOverride = BackwardOverride.None }, Is.EqualTo(new DelayedScaling()));
    }
}
