using System.Text;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Interop;

/// <summary>What functions need that native code calls.</summary>
internal static unsafe class Managed
{
    /// <summary>A tensor for a handle that native code keeps.</summary>
    public static Tensor Borrow(void* handle)
    {
        void* another;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_tensor_reference(handle, &another));
        return Tensor.UnsafeCreateTensor((nint)another);
    }

    /// <summary>Another handle of a tensor, for native code to keep.</summary>
    public static void* Reference(Tensor tensor)
    {
        void* another;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_tensor_reference((void*)tensor.Handle, &another));
        return another;
    }

    /// <summary>Passes an exception's message on: none may leave a function that native code calls.</summary>
    /// <returns>The status to return.</returns>
    public static int Report(Exception error)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(error.Message + '\0'))
        {
            _ = Libnbit.nbit_error_set(text);
        }

        return (int)(
            error switch
            {
                ArgumentException => nbit_status.NBIT_STATUS_INVALID_ARGUMENT,
                OutOfMemoryException => nbit_status.NBIT_STATUS_OUT_OF_MEMORY,
                NotSupportedException => nbit_status.NBIT_STATUS_NOT_SUPPORTED,
                InvalidOperationException => nbit_status.NBIT_STATUS_INVALID_STATE,
                _ => nbit_status.NBIT_STATUS_INTERNAL_ERROR,
            }
        );
    }
}
