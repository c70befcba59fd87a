using System.Runtime.InteropServices;
using NBit.Native;
using TorchSharp;

namespace NBit.Interop;

/// <summary>Puts libnbit_torch in LibTorchSharp's place when TorchSharp's P/Invokes are bound.</summary>
/// <remarks>
/// libnbit_torch defines a few functions of LibTorchSharp and depends on it, so that all other names are found there. A
/// P/Invoke is bound at its first call and stays so: hence "before" and "too late".
/// </remarks>
internal static unsafe class TorchSharpInterposition
{
    private const string Remedy =
        "Call NBitRuntime.Initialize() at the start of the program, before anything of TorchSharp is used. (Projects that reference "
        + "the NBit package directly get this by themselves through a module initializer; NBitModuleInitializer=false turns it off.)";

    private static readonly Lock Gate = new();
    private static bool _registered;
    private static Exception? _fault;
    private static nint _handle;
    private static volatile bool _isConnected;
    private static bool? _linear,
        _gradMode;

    /// <summary>Whether TorchSharp's linear goes through NBit; calls it once to find out.</summary>
    public static bool InterceptsLinear => _linear ??= ProbeLinear();

    /// <summary>Whether NBit sees changes of TorchSharp's grad mode; changes it once to find out.</summary>
    public static bool InterceptsGradMode => _gradMode ??= ProbeGradMode();

    /// <summary>
    /// Registers the resolver. Loads nothing and never throws: a fault is kept for <see cref="Require" />.
    /// </summary>
    public static void Register()
    {
        lock (Gate)
        {
            if (_registered)
            {
                return;
            }

            _registered = true;
            try
            {
                LibTorchSharp.RegisterFallback();
                NativeLibrary.SetDllImportResolver(
                    LibTorchSharp.Assembly,
                    static (name, _, _) => name == LibTorchSharp.Name ? Resolve() : 0
                );
            }
            catch (InvalidOperationException error)
            {
                _fault = new InvalidOperationException(
                    "NBit cannot join TorchSharp: the program has set a DllImportResolver on TorchSharp's assembly already, and the runtime "
                        + "allows one. Remove it; to load TorchSharp's libraries from elsewhere, use NativeLibrary.Load before.",
                    error
                );
            }
        }
    }

    /// <summary>
    /// Returns if libnbit_torch is connected to TorchSharp and libtorch; loads them if they are not loaded yet.
    /// </summary>
    /// <exception cref="InvalidOperationException">NBit could not take its place.</exception>
    /// <exception cref="NotSupportedException">libtorch is of another version.</exception>
    /// <exception cref="NativeLibraryNotFoundException">libnbit_torch was not found.</exception>
    public static void RequireLibrary()
    {
        if (_isConnected) // asked for by every quantized layer
        {
            return;
        }

        Register();
        torch.InitializeDeviceType(DeviceType.CPU);
        Resolve();
        if (_fault is { } fault)
        {
            throw fault;
        }

        _isConnected = true;
    }

    /// <summary>Returns if TorchSharp's linear goes through NBit.</summary>
    /// <exception cref="InvalidOperationException">It was called before NBit was there.</exception>
    public static void Require()
    {
        RequireLibrary();
        if (!InterceptsLinear)
        {
            throw new InvalidOperationException(
                "TorchSharp's linear was called in this process before NBit was there, so NBit cannot reach linear layers any more. "
                    + Remedy
            );
        }
    }

    // Never throws where the plain library can be had: a program that only references NBit must not lose TorchSharp.
    private static nint Resolve()
    {
        lock (Gate)
        {
            if (_handle != 0)
            {
                return _handle;
            }

            var real = LibTorchSharp.Load();
            try
            {
                NativeLibraries.Load(Libnbit.Library);
                _handle = NativeLibraries.Load(LibnbitTorch.Library);
                NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_initialize((void*)real));
            }
            catch (Exception error)
                when (error is NativeLibraryNotFoundException or NotSupportedException or InvalidOperationException)
            {
                _fault ??= error;
                _handle = real;
            }

            return _handle;
        }
    }

    private static bool ProbeLinear()
    {
        var before = Count().Linear;
        using (torch.no_grad())
        using (var one = torch.ones(1, 1))
        using (torch.nn.functional.linear(one, one))
        {
            return Count().Linear > before;
        }
    }

    private static bool ProbeGradMode()
    {
        var before = Count().GradMode;
        using (torch.set_grad_enabled(torch.is_grad_enabled()))
        {
            return Count().GradMode > before;
        }
    }

    private static (long Linear, long GradMode) Count()
    {
        long linear,
            gradMode;
        NativeStatus.ThrowIfFailed(LibnbitTorch.nbit_torch_interposed_count(&linear, &gradMode));
        return (linear, gradMode);
    }
}
