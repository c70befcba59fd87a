using System.Runtime.InteropServices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Machine;

/// <summary>What must stand beside figures: where and when they were measured.</summary>
internal static unsafe class MachineDescription
{
    public static string Text()
    {
        var cache = Caches.LastLevelBytes is { } bytes ? $"{bytes / Caches.Mebibyte} MiB" : "of unknown size";
        var peaks = Enum.GetValues<Arithmetic>()
            .Select(kind => $"{kind} {MachineLimits.Peak(kind, operations: 1).Rate() * 1e-9:0}");
        return $"""
            {Processor()}, {Environment.ProcessorCount} cores, {get_num_threads()} threads; {DateTime.UtcNow:yyyy-MM-dd}
            Features: {Features()}; NBit uses {InstructionSet.Chosen.Name}
            Last-level cache {cache}; buffers of {Caches.MemoryBytes / Caches.Mebibyte} MiB stand for memory
            Peak arithmetic in Gop/s: {string.Join(", ", peaks)}
            """;
    }

    private static string Processor()
    {
        var lines = File.Exists("/proc/cpuinfo") ? File.ReadLines("/proc/cpuinfo") : [];
        var name = lines.FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
        return name?.Split(':')[1].Trim() ?? $"{RuntimeInformation.ProcessArchitecture}";
    }

    private static string Features()
    {
        byte* features;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_cpu_describe(&features));
        return Marshal.PtrToStringUTF8((nint)features)!;
    }
}
