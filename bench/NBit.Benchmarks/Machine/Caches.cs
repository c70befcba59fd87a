using System.Globalization;

namespace NBit.Benchmarks.Machine;

/// <summary>How large the caches are, and what is larger.</summary>
internal static class Caches
{
    /// <summary>2^20 bytes.</summary>
    public const long Mebibyte = 1 << 20;

    private const string Folder = "/sys/devices/system/cpu/cpu0/cache";
    private const long Granule = 4 * Mebibyte;

    /// <summary>The size of the last-level cache in bytes; null where the system does not say.</summary>
    public static long? LastLevelBytes { get; } = Read();

    /// <summary>
    /// The size of buffers that stand for memory: even a quarter of one, which is what an 8-bit format takes beside
    /// float32, is several times the last-level cache.
    /// </summary>
    public static long MemoryBytes { get; } = Math.Max(384 * Mebibyte, 12 * (LastLevelBytes ?? 0) / Granule * Granule);

    private static long? Read()
    {
        if (!Directory.Exists(Folder))
        {
            return null;
        }

        var sizes = Directory.GetDirectories(Folder, "index*").Select(cache => Path.Combine(cache, "size"));
        return sizes.Where(File.Exists).Max(file => ParseKibibytes(File.ReadAllText(file)));
    }

    // 32768K and a line end
    private static long? ParseKibibytes(string text) =>
        long.Parse(text.TrimEnd('K', '\n'), CultureInfo.InvariantCulture) * 1024;
}
