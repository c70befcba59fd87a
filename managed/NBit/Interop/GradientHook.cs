using System.Runtime.InteropServices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Interop;

/// <summary>Functions that see, and may replace, the gradient of a tensor in backward passes.</summary>
internal static unsafe class GradientHook
{
    /// <summary>Calls a function with the gradient of a tensor in each backward pass.</summary>
    /// <param name="tensor">A tensor that requires grad.</param>
    /// <param name="hook">Gets the gradient, valid during the call; gives another one of the same shape and dtype in its
    /// place, which the caller of the hook disposes, or null to leave it as it is.</param>
    /// <param name="owned">Disposed when the graph of the tensor is gone.</param>
    public static void Attach(Tensor tensor, Func<Tensor, Tensor?> hook, IDisposable? owned = null)
    {
        var state = GCHandle.Alloc(new State(hook, owned));
        try
        {
            NativeStatus.ThrowIfFailed(
                LibnbitTorch.nbit_torch_gradient_hook(
                    (void*)tensor.Handle,
                    &Call,
                    &Release,
                    (void*)GCHandle.ToIntPtr(state)
                )
            );
        }
        catch
        {
            state.Free();
            throw;
        }
    }

    [UnmanagedCallersOnly]
    private static int Call(void* state, void* gradient, void** replacement)
    {
        try
        {
            if (gradient is null)
            {
                return (int)nbit_status.NBIT_STATUS_OK;
            }

            using var grad = no_grad(); // a backward pass that makes a graph must not record what is done here
            using var given = Managed.Borrow(gradient);
            using var result = ((State)GCHandle.FromIntPtr((nint)state).Target!).Hook(given);
            if (result is not null)
            {
                *replacement = Managed.Reference(result);
            }

            return (int)nbit_status.NBIT_STATUS_OK;
        }
        catch (Exception error)
        {
            return Managed.Report(error);
        }
    }

    [UnmanagedCallersOnly]
    private static void Release(void* state)
    {
        var handle = GCHandle.FromIntPtr((nint)state);
        var owned = ((State)handle.Target!).Owned;
        handle.Free();
        owned?.Dispose();
    }

    private sealed record State(Func<Tensor, Tensor?> Hook, IDisposable? Owned);
}
