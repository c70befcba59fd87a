using NBit.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>4-bit layers, against libtorch's layer with the dequantized weight.</summary>
public sealed class Linear4bitTests
{
    [Test]
    public void A_layer_computes_with_its_dequantized_weight(
        [Values] QuantType type,
        [Values] bool compressStatistics,
        [Values(ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16)] ScalarType dtype,
        [Values(0, 1, 3, 20, 70)] int rows,
        [Values] bool hasBias
    )
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var layer = new Linear4bit(33, 50, hasBias, compressStatistics: compressStatistics, quantType: type);
        var x = randn(rows, 33).to(dtype);
        var y = layer.forward(x);
        var expected = nn.functional.linear(
            x.to(ScalarType.Float32),
            layer.Dequantize(dtype).to(ScalarType.Float32),
            layer.bias
        );
        Assert.That((y.dtype, y.shape), Is.EqualTo((dtype, new long[] { rows, 50 })));
        AssertClose(y, expected, Unit(dtype));
    }

    [Test]
    public void The_compute_dtype_that_was_set_is_used(
        [Values(ScalarType.BFloat16, ScalarType.Float32)] ScalarType dtype
    )
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var layer = new Linear4bit(256, 64, computeDtype: dtype);
        var x = randn(40, 256);
        var y = layer.forward(x);
        var isRounded = y.to(ScalarType.BFloat16).to(ScalarType.Float32).eq(y).all().item<bool>();
        Assert.That((y.dtype, isRounded), Is.EqualTo((ScalarType.Float32, dtype == ScalarType.BFloat16)));
    }

    [Test]
    public void Gradients_are_those_of_the_dequantized_layer(
        [Values] bool compressStatistics,
        [Values(ScalarType.Float32, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var layer = new Linear4bit(64, 48, compressStatistics: compressStatistics);
        var (x, gradient) = (randn(2, 5, 64).to(dtype), randn(2, 5, 48).to(dtype));
        var weight = layer.Dequantize(dtype);
        var expected = x.clone().requires_grad_();
        var bias = layer.bias!.detach().to(dtype).requires_grad_();
        nn.functional.linear(expected, weight, bias).backward([gradient]);
        x.requires_grad = true;
        layer.forward(x).backward([gradient]);
        AssertClose(x.grad!, expected.grad!.to(ScalarType.Float32), Unit(dtype));
        AssertClose(layer.bias!.grad!, bias.grad!.to(ScalarType.Float32), Unit(dtype));
        Assert.That(layer.weight.requires_grad, Is.False);
    }

    [Test]
    public void An_input_that_is_strided_gives_what_its_copy_gives()
    {
        using var scope = NewDisposeScope();
        var layer = new Linear4bit(16, 8);
        var x = randn(16, 6).t();
        Assert.That(x.is_contiguous(), Is.False);
        Assert.That(layer.forward(x).eq(layer.forward(x.contiguous())).all().item<bool>(), Is.True);
    }

    [Test]
    public void An_input_of_another_width_is_refused()
    {
        using var layer = new Linear4bit(16, 8);
        using var x = randn(3, 17);
        Assert.That(
            () => layer.forward(x),
            Throws.ArgumentException.With.Message.StartsWith(
                "the input is [3, 17]; a layer of 16 inputs takes [..., 16]"
            )
        );
    }

    [Test]
    public void Passes_leave_nothing_behind()
    {
        using var layer = new Linear4bit(16, 8);
        using var x = randn(4, 16, requires_grad: true);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                for (var i = 0; i < 20; i++)
                {
                    using var y = layer.forward(x);
                    using var loss = y.sum();
                    loss.backward();
                    using var seen = x.grad;
                }
            }
        );
    }

    // In bytes: TorchSharp's count of tensors never forgets the handle that a Parameter took over.
    [Test]
    public void Layers_leave_no_memory_behind()
    {
        const int layers = 30;
        const long packedBytes = 2048 * 4096 / 2;
        using var linear = nn.Linear(4096, 2048, hasBias: false);
        Linear4bit.FromLinear(linear).Dispose();
        var before = Environment.WorkingSet;
        for (var i = 0; i < layers; i++)
        {
            using var layer = Linear4bit.FromLinear(linear);
        }

        Assert.That(Environment.WorkingSet - before, Is.LessThan(layers * packedBytes / 3));
    }

    [Test]
    public void A_state_dict_names_weight_and_bias()
    {
        using var layer = new Linear4bit(16, 8);
        Assert.That(layer.state_dict().Keys, Is.EquivalentTo(new[] { "weight", "bias" }));
        Assert.That(layer.weight.shape, Is.EqualTo(new long[] { 64, 1 }));
    }

    [Test]
    public void A_weight_that_is_quantized_already_is_refused()
    {
        using var linear = nn.Linear(16, 8);
        using var layer = Linear4bit.FromLinear(linear);
        using var bytes = layer.weight.detach();
        Assert.That(
            () => Functional.Quantize4Bit(bytes),
            Throws.ArgumentException.With.Message.StartsWith(
                "source is Byte; allowed are Float32, Float16 and BFloat16"
            )
        );
    }

    // One rounding of the result, and sums of rounded operands in another order.
    private static double Unit(ScalarType dtype) =>
        dtype switch
        {
            ScalarType.Float32 => 1e-5,
            ScalarType.BFloat16 => 0.01,
            _ => 2e-3,
        };

    private static void AssertClose(Tensor actual, Tensor expected, double unit)
    {
        if (expected.numel() == 0)
        {
            return;
        }

        var error = (actual.to(ScalarType.Float32) - expected).abs().max().item<float>();
        Assert.That(error, Is.LessThanOrEqualTo(unit * expected.abs().max().item<float>()));
    }
}
