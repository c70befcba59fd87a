using NBit.Interop;
using NBit.Native;

namespace NBit.Quantization;

/// <summary>The native contexts that tensors are worked on with.</summary>
internal static class Contexts
{
    private static readonly Lazy<NativeContext> LazyCpu = new(() =>
    {
        TorchSharpInterposition.RequireLibrary(); // one pool of threads for libtorch and libnbit
        return new NativeContext();
    });

    public static NativeContext Cpu => LazyCpu.Value;
}
