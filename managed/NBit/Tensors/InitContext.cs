using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>A scope in which new tensors are made on a device, inside another scope (their dtype).</summary>
internal sealed class InitContext : IDisposable
{
    private readonly Device _previous = get_default_device();
    private readonly IDisposable _inner;

    public InitContext(Device device, Func<IDisposable> inner)
    {
        _inner = inner();
        set_default_device(device);
    }

    public void Dispose()
    {
        set_default_device(_previous);
        _inner.Dispose();
    }
}
