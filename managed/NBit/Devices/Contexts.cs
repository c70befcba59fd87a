using NBit.Interop;
using NBit.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Devices;

/// <summary>The native contexts that tensors are worked on with: one for the CPU, and for each CUDA device one a
/// thread, as libtorch's current stream is the thread's.</summary>
internal static unsafe class Contexts
{
    private static readonly Lazy<NativeContext> LazyCpu = new(() =>
    {
        TorchSharpInterposition.RequireLibrary(); // one pool of threads for libtorch and libnbit
        return new NativeContext();
    });

    [ThreadStatic]
    private static Dictionary<int, NativeContext>? _cuda;

    public static NativeContext Cpu => LazyCpu.Value;

    /// <summary>The context of a device; on CUDA, it issues work on libtorch's current stream.</summary>
    /// <exception cref="NotSupportedException">The device is neither the CPU nor CUDA, or CUDA's runtime cannot be
    /// used.</exception>
    public static NativeContext Of(Device device) =>
        device.type switch
        {
            DeviceType.CPU => Cpu,
            DeviceType.CUDA => OnCurrentStream(device.index),
            _ => throw new NotSupportedException(
                $"NBit works on CPU and CUDA tensors, not on {device}: move them by .cpu() or .cuda()"
            ),
        };

    private static NativeContext OnCurrentStream(int index)
    {
        void* stream;
        TorchSharpInterposition.RequireLibrary();
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_cuda_stream_get(index, &stream));
        _cuda ??= [];
        if (!_cuda.TryGetValue(index, out var context))
        {
            _cuda.Add(index, context = new NativeContext(nbit_device_kind.NBIT_DEVICE_KIND_CUDA, index));
        }

        NativeStatus.ThrowIfFailed(Libnbit.nbit_context_set_stream(context.Address, stream));
        return context;
    }
}
