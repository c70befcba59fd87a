using NBit.Native;
using NBit.Testing;
using static TorchSharp.torch;

namespace NBit.Tests.Interop;

public sealed unsafe class LinearInterceptionTests
{
    [Test]
    public void Linear_is_intercepted_once_and_equals_aten_linear_bit_for_bit(
        [Values(new long[] { 5, 32 }, new long[] { 3, 7, 32 }, new long[] { 2, 3, 4, 32 }, new long[] { 32 })]
            long[] shape,
        [Values] bool bias,
        [Values(ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16, ScalarType.Float16)] ScalarType dtype
    )
    {
        using var scope = NewDisposeScope();
        var layer = nn.Linear(32, 48, hasBias: bias, dtype: dtype);
        var x = randn(shape, dtype: dtype);

        var before = Count();
        var y = layer.forward(x);
        Assert.That(Count() - before, Is.EqualTo(1));

        var offset = layer.bias is { } present ? Argument.Some(present) : null;
        var expected = Dispatcher.Call("aten::linear", x, layer.weight, offset);
        Assert.That(y.shape, Is.EqualTo(expected.shape));
        Assert.That(y.bytes.SequenceEqual(expected.bytes), Is.True);
        layer.Dispose();
    }

    private static long Count()
    {
        long linear,
            gradMode;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_interposed_count(&linear, &gradMode));
        return linear;
    }
}
