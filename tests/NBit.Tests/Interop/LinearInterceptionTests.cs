using System.Runtime.InteropServices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Tests.Interop;

public sealed unsafe class LinearInterceptionTests
{
    [Test]
    public void Linear_is_intercepted_once_and_equals_aten_linear_bit_for_bit(
        [Values(new long[] { 5, 32 }, new long[] { 3, 7, 32 }, new long[] { 2, 3, 4, 32 }, new long[] { 32 })] long[] shape,
        [Values] bool bias,
        [Values(ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16, ScalarType.Float16)] ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var layer = nn.Linear(32, 48, hasBias: bias, dtype: dtype);
        var x = randn(shape, dtype: dtype);

        var before = Count();
        var y = layer.forward(x);
        Assert.That(Count() - before, Is.EqualTo(1));

        var expected = Dispatcher.Linear(x, layer.weight, layer.bias);
        Assert.That(y.shape, Is.EqualTo(expected.shape));
        Assert.That(y.bytes.SequenceEqual(expected.bytes), Is.True);
        layer.Dispose();
    }

    private static long Count()
    {
        long linear, gradMode;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_interposed_count(&linear, &gradMode));
        return linear;
    }
}

internal static unsafe partial class Dispatcher
{
    [LibraryImport("torch_cpu")]
    private static partial int torch_call_dispatcher([MarshalAs(UnmanagedType.LPStr)] string op, [MarshalAs(UnmanagedType.LPStr)] string overload, ulong* stack, ulong abi);

    [LibraryImport("torch_cpu")]
    private static partial int aoti_torch_new_tensor_handle(nint o, out nint n);

    public static Tensor Linear(Tensor x, Tensor w, Tensor? b)
    {
        var stack = stackalloc ulong[4];
        aoti_torch_new_tensor_handle(x.Handle, out var xh);
        aoti_torch_new_tensor_handle(w.Handle, out var wh);
        stack[0] = (ulong)xh;
        stack[1] = (ulong)wh;
        stack[2] = 0;
        if (b is not null)
        {
            aoti_torch_new_tensor_handle(b.Handle, out var bh);
            var boxed = (ulong*)NativeMemory.Alloc(8);
            *boxed = (ulong)bh;
            stack[2] = (ulong)boxed;
        }

        var status = torch_call_dispatcher("aten::linear", "", stack, (2UL << 56) | (10UL << 48));
        return status == 0 ? Tensor.UnsafeCreateTensor((nint)stack[0]) : throw new InvalidOperationException($"{status}");
    }
}
