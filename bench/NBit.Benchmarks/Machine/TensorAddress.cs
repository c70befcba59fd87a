using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Machine;

/// <summary>Where tensors are in memory.</summary>
internal static unsafe class TensorAddress
{
    /// <summary>The address of a tensor's first element.</summary>
    public static void* DataAddress(this Tensor tensor)
    {
        void* data;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_tensor_data((void*)tensor.Handle, &data));
        return data;
    }
}
