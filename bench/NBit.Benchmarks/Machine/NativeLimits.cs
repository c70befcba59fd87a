using System.Runtime.InteropServices;
using NBit.Native;

namespace NBit.Benchmarks.Machine;

/// <summary>libnbit_limits, which measures the machine's limits (native/bench/nbit_limits.h).</summary>
internal static unsafe partial class NativeLimits
{
    private const string Library = "nbit_limits";

    static NativeLimits() =>
        NativeLibrary.SetDllImportResolver(
            typeof(NativeLimits).Assembly,
            static (name, _, _) => name == Library ? NativeLibraries.Load(name) : 0
        );

    /// <summary>Bytes a second of a loop that only loads.</summary>
    public static double Read(void* memory, long bytes, int threads)
    {
        ThrowIfRefused(nbit_limits_read(memory, bytes, threads, out var rate));
        return rate;
    }

    /// <summary>Bytes read plus bytes written a second of a copy whose stores bypass the caches.</summary>
    public static double Copy(void* source, void* target, long bytes, int threads)
    {
        ThrowIfRefused(nbit_limits_copy(source, target, bytes, threads, out var rate));
        return rate;
    }

    /// <summary>Operations a second of the fastest multiply-accumulate instruction; 0 where there is none.</summary>
    public static double Peak(Arithmetic kind, int threads, double seconds) =>
        nbit_limits_peak((int)kind, threads, seconds, out var rate) == 0 ? rate : 0;

    private static void ThrowIfRefused(int status)
    {
        if (status != 0)
        {
            throw new InvalidOperationException(
                "libnbit_limits refused its arguments: memory must begin a cache line (64 bytes) and be whole ones"
            );
        }
    }

    [LibraryImport(Library)]
    private static partial int nbit_limits_read(void* memory, long bytes, int threads, out double result);

    [LibraryImport(Library)]
    private static partial int nbit_limits_copy(void* source, void* target, long bytes, int threads, out double result);

    [LibraryImport(Library)]
    private static partial int nbit_limits_peak(int kind, int threads, double seconds, out double result);
}

/// <summary>What peak arithmetic is measured in; the numbers are nbit_limits_kind's.</summary>
internal enum Arithmetic
{
    /// <summary>float32.</summary>
    Float32 = 0,

    /// <summary>bfloat16 with float32 sums.</summary>
    BFloat16 = 1,

    /// <summary>int8 with int32 sums.</summary>
    Int8 = 2,
}
