using NBit.Interop;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>
/// A scope in which the weights of new linear layers are not initialized, so that their memory is not touched, until
/// somebody asks for it.
/// </summary>
internal sealed unsafe class DeferredInitializers : IDisposable
{
    private readonly bool _previous = Set(true);

    /// <summary>A tensor filled by the initializer that was put off for another one; it stays put off.</summary>
    /// <param name="tensor">The tensor that was to be initialized.</param>
    /// <param name="memory">Where the elements go, if it is of the tensor's dtype; null for memory of their own.</param>
    /// <returns>The other tensor; null where nothing was put off, or the tensor was filled since.</returns>
    public static Tensor? Draw(Tensor tensor, Tensor? memory = null)
    {
        var drawn =
            memory?.dtype == tensor.dtype ? View(memory, tensor) : empty(tensor.shape, tensor.dtype, tensor.device);
        if (Run(tensor, drawn))
        {
            return drawn;
        }

        drawn.Dispose();
        return null;
    }

    /// <summary>Runs what was put off for a tensor, on it, unless it was filled since.</summary>
    public static void Complete(Tensor tensor)
    {
        Run(tensor, tensor);
        Forget(tensor);
    }

    /// <summary>Ends that an initializer is put off for a tensor.</summary>
    public static void Forget(Tensor tensor) =>
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_initializer_forget((void*)tensor.Handle));

    public void Dispose() => Set(_previous);

    private static Tensor View(Tensor memory, Tensor like)
    {
        using var elements = memory.narrow(0, 0, like.numel());
        return elements.view(like.shape);
    }

    private static bool Run(Tensor tensor, Tensor target)
    {
        int wasDeferred;
        NativeStatus.ThrowIfFailed(
            LibnbitTorch.nbit_torch_initializer_run((void*)tensor.Handle, (void*)target.Handle, &wasDeferred)
        );
        return wasDeferred != 0;
    }

    private static bool Set(bool defer)
    {
        TorchSharpInterposition.RequireLibrary();
        int previous;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_initializers_defer(defer ? 1 : 0, &previous));
        return previous != 0;
    }
}
