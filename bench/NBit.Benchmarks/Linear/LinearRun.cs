using System.Runtime.InteropServices;
using NBit.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Linear;

/// <summary>A linear layer, called through TorchSharp and directly in LibTorchSharp.</summary>
internal sealed unsafe class LinearRun : IDisposable
{
    public const int Features = 64;

    // The runtime's own loading knows nothing of NBit, which takes its place where P/Invokes are bound.
    private static readonly nint LibTorchSharp = NativeLibrary.Load(
        "LibTorchSharp",
        typeof(torch).Assembly,
        searchPath: null
    );

    private static readonly delegate* unmanaged<nint, nint, nint, nint> DirectLinear = (delegate* unmanaged<
        nint,
        nint,
        nint,
        nint>)
        NativeLibrary.GetExport(LibTorchSharp, "THSNN_functional_linear");

    private readonly TorchSharp.Modules.Linear _layer;

    public LinearRun(long[] shape, bool hasBias)
    {
        _layer = nn.Linear(Features, Features, hasBias);
        Input = randn(shape);
        (Weight, Bias) = (_layer.weight, _layer.bias);
    }

    /// <summary>The calls that NBit has seen in this process.</summary>
    public static long Intercepted
    {
        get
        {
            long linear,
                gradMode;
            NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_interposed_count(&linear, &gradMode));
            return linear;
        }
    }

    public Tensor Input { get; }

    public Tensor Weight { get; }

    public Tensor? Bias { get; }

    /// <summary>As models call it, with NBit in place.</summary>
    public Tensor ThroughTorchSharp() => _layer.forward(Input);

    /// <summary>As TorchSharp's linear would call it without NBit.</summary>
    public Tensor ThroughLibTorchSharp() =>
        Tensor.UnsafeCreateTensor(DirectLinear(Input.Handle, Weight.Handle, Bias?.Handle ?? 0));

    public void Dispose()
    {
        Input.Dispose();
        _layer.Dispose();
    }
}
