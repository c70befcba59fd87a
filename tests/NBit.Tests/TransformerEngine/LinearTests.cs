using NBit.Amp;
using NBit.Native;
using NBit.Tests.Training;
using NBit.TransformerEngine;
using TorchSharp;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Linear layers in 8 bits, beside those of libtorch.</summary>
public sealed class LinearTests : DisposeScopeFixture
{
    private static readonly ScalarType[] Dtypes = [ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16];
    private static readonly long[][] Shapes =
    [
        [1],
        [7],
        [3, 5],
        [2, 1, 33],
        [0],
    ];

    private static IEnumerable<Float8Recipe> Recipes() => Steps.Recipes;

    [Test]
    public void Any_size_and_dtype_is_near_libtorch_with_its_gradients(
        [ValueSource(nameof(Recipes))] Float8Recipe recipe,
        [ValueSource(nameof(Dtypes))] ScalarType dtype,
        [ValueSource(nameof(Shapes))] long[] shape
    )
    {
        manual_seed(3);
        using var layer = new TE.Linear(37, 19, dtype: dtype);
        var x = randn([.. shape, 37], dtype).requires_grad_();
        using var plain = nn.Linear(37, 19, dtype: dtype);
        using (no_grad())
        {
            plain.weight.copy_(layer.weight);
            plain.bias!.copy_(layer.bias!);
        }

        var z = x.detach().requires_grad_();
        var y = Steps.Forward(layer, x, recipe);
        var gradient = randn_like(y);
        y.backward([gradient]); // so that delayed scales are set
        layer.zero_grad();
        x.grad = null;
        y = Steps.Forward(layer, x, recipe);
        y.backward([gradient]);
        var expected = plain.forward(z);
        expected.backward([gradient]);
        var limit = recipe is NVFP4BlockScaling ? 0.3f : 0.08f;
        AssertNear(y, expected, limit);
        AssertNear(x.grad!, z.grad!, limit);
        AssertNear(layer.weight.grad!, plain.weight.grad!, limit);
        AssertNear(layer.bias!.grad!, plain.bias!.grad!, 0.01f);
    }

    [Test]
    public void Outside_of_regions_it_is_libtorchs_layer()
    {
        using var layer = new TE.Linear(16, 8);
        var x = randn(4, 16);
        Assert.That(
            Steps.Numbers(layer.forward(x)),
            Is.EqualTo(Steps.Numbers(nn.functional.linear(x, layer.weight, layer.bias)))
        );
    }

    [Test]
    public void Parameters_have_the_names_sizes_and_values_of_Transformer_Engine()
    {
        manual_seed(1);
        using var layer = new TE.Linear(200, 100);
        Assert.That(layer.named_parameters().Select(pair => pair.name), Is.EqualTo(new[] { "weight", "bias" }));
        Assert.That(layer.weight.shape, Is.EqualTo(new long[] { 100, 200 }));
        Assert.That(layer.weight.std().item<float>(), Is.EqualTo(0.023).Within(0.001));
        Assert.That(Steps.Numbers(layer.bias!), Is.All.Zero);
        using var other = new TE.Linear(3, 2, hasBias: false, initMethod: weight => nn.init.ones_(weight));
        Assert.That(other.bias, Is.Null);
        Assert.That(Steps.Numbers(other.weight), Is.All.EqualTo(1));
    }

    [Test]
    public void Under_autocast_results_have_its_dtype_and_gradients_those_of_the_parameters()
    {
        using var layer = new TE.Linear(16, 8);
        var x = randn(4, 16).requires_grad_();
        Tensor y;
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            y = Steps.Forward(layer, x);
        }

        y.backward([ones_like(y)]);
        Assert.That(y.dtype, Is.EqualTo(ScalarType.BFloat16));
        Assert.That(
            new[] { x.grad!.dtype, layer.weight.grad!.dtype, layer.bias!.grad!.dtype },
            Is.All.EqualTo(ScalarType.Float32)
        );
    }

    [Test]
    public void Only_what_is_trained_gets_a_gradient([Values] bool input, [Values] bool weight, [Values] bool bias)
    {
        using var layer = new TE.Linear(16, 8);
        (layer.weight.requires_grad, layer.bias!.requires_grad) = (weight, bias);
        var x = randn(4, 16).requires_grad_(input);
        var y = Steps.Forward(layer, x, new Float8CurrentScaling());
        Assert.That(y.requires_grad, Is.EqualTo(input || weight || bias));
        if (y.requires_grad)
        {
            y.backward([ones_like(y)]);
        }

        Assert.That(
            (x.grad is not null, layer.weight.grad is not null, layer.bias.grad is not null),
            Is.EqualTo((input, weight, bias))
        );
    }

    [Test]
    public void A_graph_that_is_kept_gives_the_same_gradients_again()
    {
        using var layer = new TE.Linear(16, 8);
        var x = randn(4, 16).requires_grad_();
        var y = Steps.Forward(layer, x, new Float8CurrentScaling());
        var gradient = randn_like(y);
        y.backward([gradient], retain_graph: true);
        var once = Steps.Numbers(layer.weight.grad! * 2);
        y.backward([gradient]);
        Assert.That(Steps.Numbers(layer.weight.grad!), Is.EqualTo(once));
    }

    [Test]
    public void The_weight_may_change_before_the_backward_pass()
    {
        using var layer = new TE.Linear(16, 8);
        var gradients = new List<float[]>();
        foreach (var changes in new[] { false, true })
        {
            manual_seed(2);
            var x = randn(4, 16).requires_grad_();
            var y = Steps.Forward(layer, x, new Float8CurrentScaling());
            using (no_grad())
            {
                layer.weight.mul_(changes ? 0 : 1);
            }

            y.backward([ones_like(y)]);
            gradients.Add(Steps.Numbers(x.grad!));
        }

        Assert.That(gradients[1], Is.EqualTo(gradients[0]).And.Some.Not.Zero);
    }

    [Test]
    public void Codes_are_kept_for_the_backward_pass_and_take_half_of_what_bfloat16_does(
        [ValueSource(nameof(Recipes))] Float8Recipe recipe
    )
    {
        using var layer = new TE.Linear(256, 384, dtype: ScalarType.BFloat16);
        var x = randn([512, 256], ScalarType.BFloat16).requires_grad_();
        var before = Float8.BytesKeptForBackward;
        var y = Steps.Forward(layer, x, recipe);
        var kept = Float8.BytesKeptForBackward - before;
        Assert.That(kept, Is.GreaterThan(0).And.LessThanOrEqualTo(0.55 * 2 * (x.numel() + layer.weight.numel())));
        TestContext.Out.WriteLine($"{kept} bytes kept; in bfloat16 {2 * (x.numel() + layer.weight.numel())}");
        y.backward([ones_like(y)]);
        y.Dispose();
        Assert.That(Float8.BytesKeptForBackward, Is.EqualTo(before));
    }

    [Test]
    public void Steps_leave_no_tensor_and_no_memory_behind([ValueSource(nameof(Recipes))] Float8Recipe recipe)
    {
        using var layer = new TE.Linear(37, 19);
        var x = randn(5, 37).requires_grad_();
        Once();
        var memory = NativeBytes();
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
        Assert.That(NativeBytes(), Is.EqualTo(memory));

        void Once()
        {
            using var scope = NewDisposeScope();
            Steps.Run(layer, x, recipe);
            Steps.Forward(layer, x, recipe); // a graph without a backward pass
            using (no_grad())
            {
                Steps.Forward(layer, x, recipe);
            }
        }
    }

    [Test]
    public void A_layer_leaves_nothing_behind() =>
        TensorCount.AssertChangedBy(
            2, // TorchSharp counts each Parameter once more than it is
            () =>
            {
                using var scope = NewDisposeScope();
                using var layer = new TE.Linear(4, 3);
                Steps.Run(layer, randn(2, 4), new DelayedScaling());
                using (Float8.Autocast())
                {
                    layer.forward(randn(2, 4), isFirstMicrobatch: true);
                }
            }
        );

    [Test]
    public void NaN_is_left_out_of_the_amax_and_reaches_the_result()
    {
        using var layer = new TE.Linear(16, 8, hasBias: false);
        var x = ones(4, 16);
        x[1, 3] = float.NaN;
        var y = Steps.Forward(layer, x, new DelayedScaling(amaxHistoryLength: 2));
        Assert.That(Steps.Numbers(Steps.StateOf(layer).Forward!.Scale)[0], Is.EqualTo(448));
        Assert.That(y.isnan().sum([1]).data<long>().ToArray(), Is.EqualTo(new long[] { 0, 8, 0, 0 }));
    }

    [Test]
    public void Infinities_saturate_and_keep_the_scale_until_they_have_left_the_history()
    {
        using var layer = new TE.Linear(16, 8);
        var recipe = new DelayedScaling(amaxHistoryLength: 2);
        var (x, infinite) = (ones(4, 16), ones(4, 16));
        infinite[0, 0] = float.PositiveInfinity;
        var scales = new List<float>();
        foreach (var input in new[] { x, infinite, x * 2, x * 2 })
        {
            Assert.That(Steps.Forward(layer, input, recipe).isfinite().all().item<bool>(), Is.True);
            scales.Add(Steps.Numbers(Steps.StateOf(layer).Forward!.Scale)[0]);
        }

        Assert.That(scales, Is.EqualTo(new float[] { 448, 448, 448, 224 }));
    }

    [Test]
    public void Current_scaling_of_an_infinity_is_1()
    {
        using var layer = new TE.Linear(16, 8, hasBias: false, initMethod: weight => nn.init.ones_(weight));
        var x = ones(1, 16);
        x[0, 0] = float.NegativeInfinity;
        var y = Steps.Forward(layer, x, new Float8CurrentScaling());
        Assert.That(Steps.Numbers(y), Is.All.EqualTo(15 - 448).Within(1e-4));
    }

    private static readonly (string Message, Func<Tensor> Input, ScalarType Dtype)[] Refused =
    [
        ("input is Float64", () => randn([4, 16], ScalarType.Float64), ScalarType.Float32),
        ("input is Int64", () => ones([4, 16], ScalarType.Int64), ScalarType.Float32),
        ("weight is Float64", () => randn([4, 16]), ScalarType.Float64),
        (
            "Found input dtype: BFloat16 and 'weight' dtype: Float32",
            () => randn([4, 16], ScalarType.BFloat16),
            ScalarType.Float32
        ),
        ("takes [..., 16]", () => randn([4, 15]), ScalarType.Float32),
        ("takes [..., 16]", () => tensor(1f), ScalarType.Float32),
        ("input is on META", () => randn([4, 16], device: META), ScalarType.Float32),
    ];

    [Test]
    public void An_input_that_does_not_fit_is_refused_before_anything_changes([Range(0, 6)] int index)
    {
        var (message, make, dtype) = Refused[index];
        using var layer = new TE.Linear(16, 8, dtype: dtype);
        var input = make();
        using (Float8.Autocast())
        {
            var error = Assert.Catch(() => layer.forward(input))!;
            Assert.That(error, Is.InstanceOf<ArgumentException>().Or.InstanceOf<NotSupportedException>());
            Assert.That(error.Message, Does.Contain(message));
        }

        Assert.That(Steps.StateOf(layer).Forward, Is.Null);
    }

    [Test]
    public void A_parameter_on_another_device_is_refused()
    {
        using var layer = new TE.Linear(16, 8, dtype: ScalarType.Float32);
        layer.to(META);
        using (Float8.Autocast())
        {
            Assert.That(
                () => layer.forward(randn(4, 16)),
                Throws.ArgumentException.With.Message.Contains("move both to one device")
            );
        }
    }

    [Test]
    public void A_missing_main_gradient_is_refused()
    {
        using var layer = new TE.Linear(16, 8, fuseWeightGradientAccumulation: true);
        using (Float8.Autocast())
        {
            Assert.That(
                () => layer.forward(randn(4, 16)),
                Throws.InvalidOperationException.With.Message.Contains("set it to a tensor [8, 16]")
            );
            layer.MainGradient = zeros(16, 8);
            Assert.That(() => layer.forward(randn(4, 16)), Throws.InvalidOperationException);
        }
    }

    [Test]
    public void A_weight_without_a_cache_is_cast_where_it_is_asked_for()
    {
        using var layer = new TE.Linear(16, 8);
        using (Float8.Autocast(new Float8CurrentScaling()))
        {
            var y = layer.forward(ones(1, 16), isFirstMicrobatch: false);
            using (no_grad())
            {
                layer.weight.zero_();
            }

            Assert.That(
                Steps.Numbers(layer.forward(ones(1, 16), isFirstMicrobatch: false)),
                Is.EqualTo(Steps.Numbers(y)),
                "cached"
            );
            Assert.That(Steps.Numbers(layer.forward(ones(1, 16))), Is.All.Zero);
        }
    }

    [Test]
    public void Sizes_below_1_are_refused()
    {
        Assert.That(() => new TE.Linear(0, 1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new TE.Linear(1, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new TE.LayerNorm(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new TE.RMSNorm(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static void AssertNear(Tensor actual, Tensor expected, float limit)
    {
        Assert.That(actual.shape, Is.EqualTo(expected.shape));
        Assert.That(actual.dtype, Is.EqualTo(expected.dtype));
        var (a, b) = (actual.to(ScalarType.Float32), expected.to(ScalarType.Float32));
        Assert.That((a - b).norm().item<float>(), Is.LessThanOrEqualTo(limit * b.norm().item<float>()));
    }

    private static unsafe long NativeBytes()
    {
        long bytes,
            blocks;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_memory_count(&bytes, &blocks));
        return bytes;
    }
}
