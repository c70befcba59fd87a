using NBit.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>LLM.int8() layers, against the same layer in floating point.</summary>
public sealed class Linear8bitLtTests
{
    // An 8-bit product of standard normal operands is off by about 1 % of the output's size.
    private const double RelativeError = 0.03;

    [Test]
    public void A_layer_is_close_to_the_one_it_was_made_of(
        [Values] bool hasFp16Weights,
        [Values(0.0, 6.0)] double threshold,
        [Values(ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16)] ScalarType dtype,
        [Values(1, 7)] int rows
    )
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var linear = nn.Linear(33, 50);
        var layer = Linear8bitLt.FromLinear(linear, hasFp16Weights, threshold);
        var x = randn(rows, 33);
        x[0, 5] = 20; // an outlier where there is a threshold
        using var expected = linear.forward(x);
        using var y = layer.forward(x.to(dtype));
        Assert.That(y.dtype, Is.EqualTo(dtype));
        var error = (y.to(ScalarType.Float32) - expected).norm() / expected.norm();
        Assert.That(error.item<float>(), Is.LessThan(threshold == 0 ? 4 * RelativeError : RelativeError));
    }

    [Test]
    public void Gradients_are_close_to_the_exact_ones([Values] bool hasFp16Weights, [Values(0.0, 6.0)] double threshold)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var linear = nn.Linear(64, 40);
        var layer = Linear8bitLt.FromLinear(linear, hasFp16Weights, threshold);
        var x = randn(2, 16, 64);
        x[0, 3, 7] = 9;
        var gradient = randn(2, 16, 40);
        var (expected, own) = (x.clone().requires_grad_(), x.clone().requires_grad_());
        linear.forward(expected).backward([gradient]);
        layer.forward(own).backward([gradient]);
        AssertClose(own.grad!, expected.grad!);
        AssertClose(layer.bias!.grad!, linear.bias!.grad!, 1e-5);
        if (hasFp16Weights)
        {
            AssertClose(layer.weight.grad!, linear.weight.grad!);
        }
        else
        {
            Assert.That(layer.weight.requires_grad, Is.False);
        }
    }

    [Test]
    public void Repeated_passes_leave_nothing_behind([Values] bool hasFp16Weights)
    {
        using var layer = Linear8bitLt.FromLinear(nn.Linear(16, 8), hasFp16Weights);
        using var x = randn(4, 16, requires_grad: true);
        Pass();
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                for (var i = 0; i < 20; i++)
                {
                    Pass();
                }
            }
        );

        void Pass()
        {
            using var y = layer.forward(x);
            using var loss = y.sum();
            loss.backward();
            using var seen = x.grad;
        }
    }

    private static void AssertClose(Tensor actual, Tensor expected, double relative = RelativeError)
    {
        var error = (actual - expected).norm() / expected.norm();
        Assert.That(error.item<float>(), Is.LessThan(relative));
    }
}
