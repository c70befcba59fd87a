using NBit.Interop;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>A scope in which new tensors are made on a device, inside another scope (their dtype).</summary>
internal sealed class InitContext : IDisposable
{
    private readonly Device _previous = get_default_device();
    private readonly bool _skippedBefore;
    private readonly IDisposable _inner;

    /// <param name="device">Where tensors are made.</param>
    /// <param name="inner">Begins the other scope.</param>
    /// <param name="emptyInit">Whether the functions of <c>torch.nn.init</c> leave tensors uninitialized, to save time
    /// before weights are loaded.</param>
    public InitContext(Device device, Func<IDisposable> inner, bool emptyInit)
    {
        _inner = inner();
        set_default_device(device);
        _skippedBefore = SkipInitializers(emptyInit);
    }

    public void Dispose()
    {
        SkipInitializers(_skippedBefore);
        set_default_device(_previous);
        _inner.Dispose();
    }

    private static unsafe bool SkipInitializers(bool skip)
    {
        TorchSharpInterposition.RequireLibrary();
        int previous;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_initializers_skip(skip ? 1 : 0, &previous));
        return previous != 0;
    }
}
