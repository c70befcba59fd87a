using Microsoft.Extensions.Logging;
using NBit.Interop;
using NBit.Logging;
using NBit.Native;

namespace NBit;

/// <summary>How NBit joins TorchSharp in this process.</summary>
/// <remarks>
/// NBit stands between TorchSharp and its native library for a few functions, the linear layer's above all. The runtime
/// binds each such function at its first call, so NBit must be there before. The package arranges that by itself: it
/// adds a module initializer to the assembly that references it. Where that cannot work (a host that loads assemblies
/// by reflection, for one), call <see cref="Initialize" /> at the start of the program.
/// </remarks>
public static class NBitRuntime
{
    /// <summary>
    /// Where NBit's messages go. By default warnings are written to standard error, and nothing else is.
    /// </summary>
    public static ILoggerFactory LoggerFactory { get; set; } = new StandardErrorLoggerFactory();

    /// <summary>
    /// Loads TorchSharp's native libraries and puts NBit between them and TorchSharp. Later calls do nothing.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// TorchSharp's linear layer was called before NBit was there, or something else has taken NBit's place; the
    /// message says what to do.
    /// </exception>
    /// <exception cref="NativeLibraryNotFoundException">A native library of NBit's was not found.</exception>
    /// <exception cref="NotSupportedException">The TorchSharp or libtorch in this process is of a version that NBit
    /// does not know.</exception>
    public static void Initialize() => TorchSharpInterposition.Require();

    /// <summary>
    /// Registers NBit with the runtime, without loading anything. The package calls it from a module initializer; it
    /// never throws.
    /// </summary>
    public static void Register() => TorchSharpInterposition.Register();
}
