using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>libtorch's linear layer, past those that NBit takes over.</summary>
internal static unsafe class LinearProduct
{
    /// <summary>input @ weight^T + bias, cast and cached by autocast as PyTorch does.</summary>
    public static Tensor Of(Tensor input, Tensor weight, Tensor? bias)
    {
        void* result;
        NativeStatus.ThrowIfFailed(
            LibnbitTorch.nbit_torch_linear(
                (void*)input.Handle,
                (void*)weight.Handle,
                bias is null ? null : (void*)bias.Handle,
                &result
            )
        );
        return Tensor.UnsafeCreateTensor((nint)result);
    }
}
