using NBit.Benchmarks.Measurement;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Machine;

/// <summary>The limits that rows are held against. A limit takes how much of it the row's work needs.</summary>
internal static unsafe class MachineLimits
{
    /// <summary>The name of <see cref="StreamingCopy" />.</summary>
    public const string StreamingCopyName = "streaming copy";

    /// <summary>The name of <see cref="Reading" />.</summary>
    public const string ReadingName = "reading";

    private const double PeakSeconds = 0.05;

    // Two buffers for the whole process; each larger than the caches, and touched.
    private static readonly Lazy<(Tensor Source, Tensor Target)> Memory = new(static () => (Touched(), Touched()));

    /// <summary>The bytes of a copy with stores that bypass the caches, read plus written.</summary>
    public static Limit StreamingCopy(double bytes) =>
        new(
            StreamingCopyName,
            bytes,
            static () =>
                NativeLimits.Copy(
                    Memory.Value.Source.DataAddress(),
                    Memory.Value.Target.DataAddress(),
                    Caches.MemoryBytes,
                    get_num_threads()
                )
        );

    /// <summary>The bytes of a loop that only loads.</summary>
    public static Limit Reading(double bytes) =>
        new(
            ReadingName,
            bytes,
            static () => NativeLimits.Read(Memory.Value.Source.DataAddress(), Caches.MemoryBytes, get_num_threads())
        );

    /// <summary>Operations, a multiplication and an addition counted as two; 0 where the machine cannot.</summary>
    public static Limit Peak(Arithmetic kind, double operations) =>
        new($"{kind} peak", operations, () => NativeLimits.Peak(kind, get_num_threads(), PeakSeconds));

    private static Tensor Touched() => empty(Caches.MemoryBytes, dtype: ScalarType.Byte).fill_(1);
}
