using System.Text;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Interop;

/// <summary>Makes backward passes through tensors fail unless they are made inside <see cref="Allow" />.</summary>
internal sealed unsafe class BackwardGuard : IDisposable
{
    private nbit_torch_backward_guard* _guard;

    /// <param name="message">What a backward pass that is not allowed fails with.</param>
    public BackwardGuard(string message)
    {
        TorchSharpInterposition.RequireLibrary();
        nbit_torch_backward_guard* guard;
        fixed (byte* text = Encoding.UTF8.GetBytes(message + '\0'))
        {
            NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_backward_guard_create(text, &guard));
        }

        _guard = guard;
    }

    /// <summary>Guards a tensor that requires grad.</summary>
    public void Attach(Tensor tensor) =>
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_backward_guard_attach(_guard, (void*)tensor.Handle));

    /// <summary>Runs an action inside which backward passes are allowed.</summary>
    public void Allow(Action action)
    {
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_backward_guard_allow(_guard, 1));
        try
        {
            action();
        }
        finally
        {
            NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_backward_guard_allow(_guard, 0));
        }
    }

    public void Dispose()
    {
        _ = LibnbitTorch.nbit_torch_backward_guard_destroy(_guard);
        _guard = null;
    }
}
