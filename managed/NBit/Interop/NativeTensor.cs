using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Interop;

/// <summary>What TorchSharp's tensors do not offer by themselves.</summary>
internal static unsafe class NativeTensor
{
    /// <summary>The address of a tensor's first element; null where it has none.</summary>
    /// <exception cref="ArgumentException">The tensor is sparse, or holds no data.</exception>
    public static void* Address(Tensor tensor)
    {
        TorchSharpInterposition.RequireLibrary();
        void* address;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_tensor_data((void*)tensor.Handle, &address));
        return address;
    }

    /// <summary>What all objects of one tensor have in common, and no other living tensor.</summary>
    public static nint Identity(Tensor tensor)
    {
        TorchSharpInterposition.RequireLibrary();
        void* identity;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_tensor_identity((void*)tensor.Handle, &identity));
        return (nint)identity;
    }

    /// <summary>Gives a tensor the data, dtype and shape of another one (<c>tensor.data = other</c> in Python).</summary>
    public static void SetData(Tensor tensor, Tensor data)
    {
        TorchSharpInterposition.RequireLibrary();
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_tensor_set_data((void*)tensor.Handle, (void*)data.Handle));
    }
}
