using NBit.Interop;
using NBit.Testing;
using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Regions of Float8.Autocast: what holds inside, and when scales move on.</summary>
public sealed class RegionTests : DisposeScopeFixture
{
    private static readonly DelayedScaling Recipe = new(amaxHistoryLength: 4);

    private static TE.Linear MakeLayer() => new(16, 8, dtype: ScalarType.BFloat16);

    private static Tensor Input(double size = 1) => ones([4, 16], ScalarType.BFloat16) * size;

    private static float[] Newest(nn.Module layer) => Steps.Row(Steps.StateOf(layer).Forward!.AmaxHistory, 0);

    private static float InputScale(nn.Module layer) => Steps.Numbers(Steps.StateOf(layer).Forward!.Scale)[0];

    [Test]
    public void A_region_ends_with_new_scales_of_forward_passes()
    {
        using var layer = MakeLayer();
        using (Float8.Autocast(Recipe))
        {
            layer.forward(Input(size: 2));
            Assert.That(Newest(layer)[0], Is.EqualTo(2));
            Assert.That(InputScale(layer), Is.EqualTo(1));
        }

        Assert.That(Newest(layer), Is.All.Zero);
        Assert.That(InputScale(layer), Is.EqualTo(224));
        Assert.That(Steps.Row(Steps.StateOf(layer).Forward!.AmaxHistory, 3)[0], Is.EqualTo(2));
    }

    [Test]
    public void Only_the_outermost_region_moves_scales_on()
    {
        using var layer = MakeLayer();
        using (Float8.Autocast(Recipe))
        {
            Steps.Forward(layer, Input(size: 2), Recipe);
            Assert.That(Newest(layer)[0], Is.EqualTo(2));
            Steps.Forward(layer, Input(size: 1), Recipe);
            Assert.That(Newest(layer)[0], Is.EqualTo(2), "the larger amax of two runs");
        }

        Assert.That(InputScale(layer), Is.EqualTo(224));
    }

    [Test]
    public void An_outermost_region_that_is_not_enabled_moves_nothing_on()
    {
        using var layer = MakeLayer();
        using (Float8.Autocast(Recipe, enabled: false))
        {
            Steps.Forward(layer, Input(size: 2), Recipe);
        }

        Assert.That(Newest(layer)[0], Is.EqualTo(2));
        Assert.That(InputScale(layer), Is.EqualTo(1));
    }

    [Test]
    public void A_region_inside_that_is_not_enabled_multiplies_in_high_precision()
    {
        using var layer = MakeLayer();
        var x = randn([4, 16], ScalarType.BFloat16);
        var plain = layer.forward(x);
        using (Float8.Autocast(Recipe))
        {
            using (Float8.Autocast(Recipe, enabled: false))
            {
                Assert.That(Steps.Numbers(layer.forward(x)), Is.EqualTo(Steps.Numbers(plain)));
                Assert.That(Steps.StateOf(layer).Recipe, Is.Null);
            }

            Assert.That(Steps.Numbers(layer.forward(x)), Is.Not.EqualTo(Steps.Numbers(plain)));
        }
    }

    [Test]
    public void The_inner_recipe_holds_inside_and_the_outer_one_comes_back()
    {
        using TE.Linear first = MakeLayer(),
            second = MakeLayer();
        using (Float8.Autocast(Recipe))
        {
            Steps.Forward(first, Input(), new Float8CurrentScaling());
            second.forward(Input());
        }

        Assert.That(Steps.StateOf(first).Recipe, Is.EqualTo(new Float8CurrentScaling()));
        Assert.That(Steps.StateOf(second).Recipe, Is.EqualTo(Recipe));
    }

    [Test]
    public void Without_a_recipe_scaling_is_delayed()
    {
        using var layer = MakeLayer();
        Steps.Forward(layer, Input());
        Assert.That(Steps.StateOf(layer).Recipe, Is.EqualTo(new DelayedScaling()));
        Assert.That(Steps.StateOf(layer).Forward!.AmaxHistory.shape, Is.EqualTo(new long[] { 1024, 3 }));
        Assert.That(Steps.StateOf(layer).Backward!.AmaxHistory.shape, Is.EqualTo(new long[] { 1024, 2 }));
    }

    [Test]
    public void Amaxes_of_a_pass_under_no_grad_wait_for_the_next_training_step()
    {
        using var layer = MakeLayer();
        using (no_grad())
        {
            Steps.Forward(layer, Input(size: 4), Recipe);
            Assert.That(Newest(layer)[0], Is.EqualTo(4));
            Assert.That(InputScale(layer), Is.EqualTo(1));
        }

        Steps.Forward(layer, Input(size: 2), Recipe);
        Assert.That(InputScale(layer), Is.EqualTo(112));
    }

    [Test]
    public void Scales_of_gradients_move_on_where_the_backward_pass_of_the_first_module_ends()
    {
        using TE.Linear first = MakeLayer(),
            second = new(8, 8, dtype: ScalarType.BFloat16);
        Tensor x = Input().requires_grad_(),
            middle,
            y;
        using (Float8.Autocast(Recipe))
        {
            middle = first.forward(x) * 1;
            y = second.forward(middle);
        }

        var seen = new List<float>();
        GradientHook.Attach(
            middle,
            _ =>
            {
                seen.Add(Steps.Numbers(Steps.StateOf(second).Backward!.Scale)[0]);
                return null;
            }
        );
        y.backward([ones_like(y)]);
        Assert.That(seen, Is.EqualTo(new float[] { 1 }), "between the two modules");
        Assert.That(Steps.Numbers(Steps.StateOf(second).Backward!.Scale), Is.EqualTo(new float[] { 57344, 1 }));
        Assert.That(Steps.Numbers(Steps.StateOf(first).Backward!.Scale)[0], Is.GreaterThan(1));
    }

    [Test]
    public void The_first_module_is_the_first_one_with_gradients()
    {
        using TE.Linear frozen = MakeLayer(),
            trained = new(8, 8, dtype: ScalarType.BFloat16);
        foreach (var parameter in frozen.parameters())
        {
            parameter.requires_grad = false;
        }

        Tensor y;
        using (Float8.Autocast(Recipe))
        {
            y = trained.forward(frozen.forward(Input()));
        }

        y.backward([ones_like(y)]);
        Assert.That(Steps.Numbers(Steps.StateOf(trained).Backward!.Scale)[0], Is.EqualTo(57344));
    }

    [Test]
    public void Calibration_sets_the_newest_amaxes_and_multiplies_in_high_precision()
    {
        using var layer = MakeLayer();
        var x = randn([4, 16], ScalarType.BFloat16);
        var plain = layer.forward(x);
        using (Float8.Autocast(Recipe, enabled: false, calibrating: true))
        {
            layer.forward(x * 100);
            Assert.That(Steps.Numbers(layer.forward(x)), Is.EqualTo(Steps.Numbers(plain)));
        }

        var amaxes = new[]
        {
            Float8Functional.Amax(x).item<float>(),
            Float8Functional.Amax(layer.weight).item<float>(),
            0,
        };
        Assert.That(Newest(layer), Is.EqualTo(amaxes), "of the last pass");
        Assert.That(InputScale(layer), Is.EqualTo(1));
    }

    [Test]
    public void Other_recipes_are_not_calibrated()
    {
        using var layer = MakeLayer();
        using (Float8.Autocast(new Float8CurrentScaling(), enabled: false, calibrating: true))
        {
            layer.forward(Input());
        }

        Assert.That(Steps.StateOf(layer).Forward, Is.Null);
    }

    [Test]
    public void Another_kind_of_recipe_begins_anew_with_a_warning()
    {
        using var layer = MakeLayer();
        Steps.Run(layer, Input(), Recipe);
        using (var log = new CapturedLog())
        {
            Steps.Run(layer, Input(), new Float8CurrentScaling());
            Assert.That(
                log.Warnings,
                Has.One.StartsWith("Recipe type changed from DelayedScaling to Float8CurrentScaling.")
            );
        }

        Assert.That(Steps.StateOf(layer).Forward, Is.Null);
        Steps.Run(layer, Input(size: 2), Recipe);
        Assert.That(InputScale(layer), Is.EqualTo(224));
    }

    [TestCase(2)]
    [TestCase(7)]
    public void Another_length_keeps_the_first_rows_of_the_history(int length)
    {
        using var layer = MakeLayer();
        foreach (var size in new[] { 1, 2, 4, 8 })
        {
            Steps.Forward(layer, Input(size), Recipe);
        }

        var before = Steps.StateOf(layer).Forward!.AmaxHistory.clone();
        Steps.StateOf(layer).Adopt(Recipe with { AmaxHistoryLength = length });
        var history = Steps.StateOf(layer).Forward!.AmaxHistory;
        Assert.That(history.shape[0], Is.EqualTo(length));
        for (var row = 0; row < length; row++)
        {
            Assert.That(Steps.Row(history, row), Is.EqualTo(row < 4 ? Steps.Row(before, row) : new float[3]));
        }
    }

    [Test]
    public void Regions_end_in_reverse_order()
    {
        var outer = Float8.Autocast(Recipe);
        var inner = Float8.Autocast(Recipe);
        Assert.That(outer.Dispose, Throws.InvalidOperationException.With.Message.Contains("reverse order"));
        inner.Dispose();
        outer.Dispose();
        Assert.That(outer.Dispose, Throws.Nothing);
        Assert.That(Float8Region.Current, Is.Null);
    }

    [Test]
    public void A_region_ends_on_its_thread()
    {
        using var region = Float8.Autocast(Recipe);
        Exception? error = null;
        var thread = new Thread(() => error = Assert.Catch(region.Dispose));
        thread.Start();
        thread.Join();
        Assert.That(error, Is.InstanceOf<InvalidOperationException>());
        Assert.That(error!.Message, Does.Contain("Do not await inside a region"));
    }

    [Test]
    public void A_region_is_of_one_thread()
    {
        using var region = Float8.Autocast(Recipe);
        Float8Region? other = Float8Region.Current;
        var thread = new Thread(() => other = Float8Region.Current);
        thread.Start();
        thread.Join();
        Assert.That(other, Is.Null);
    }

    [Test]
    public void A_module_that_did_not_run_keeps_its_scales()
    {
        using TE.Linear first = MakeLayer(),
            second = MakeLayer();
        foreach (var layer in new[] { first, second })
        {
            Steps.Run(layer, Input(size: 2), Recipe);
        }

        var history = Steps.StateOf(second).Forward!.AmaxHistory.clone();
        Steps.Run(first, Input(size: 4), Recipe);
        Assert.That(Steps.Numbers(Steps.StateOf(second).Forward!.AmaxHistory), Is.EqualTo(Steps.Numbers(history)));
    }
}
