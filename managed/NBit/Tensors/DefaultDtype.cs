using NBit.Interop;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>
/// A scope in which new floating-point tensors get a dtype unless one is given. It remembers the dtype to restore when
/// it is constructed, not when it is entered. The default dtype belongs to the process, not to a thread.
/// </summary>
internal sealed class DefaultDtype(ScalarType dtype) : IDisposable
{
    private readonly ScalarType _previous = get_default_dtype();

    /// <summary>Begins the scope.</summary>
    public DefaultDtype Enter()
    {
        Set(dtype);
        return this;
    }

    /// <summary>Ends the scope.</summary>
    public void Dispose() => Set(_previous);

    // TorchSharp's factories ask TorchSharp, operators that make a dtype up (the quotient of integers) ask libtorch.
    private static void Set(ScalarType dtype)
    {
        TorchSharpInterposition.RequireLibrary();
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_default_dtype_set((int)dtype));
        set_default_dtype(dtype);
    }
}
