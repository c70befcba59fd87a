using System.Globalization;

namespace NBit.Tests.Checkpoints;

/// <summary>The memory that is this process's own: mapped files and the page cache do not count (proc(5)).</summary>
internal static class ProcessMemory
{
    private const string Field = "RssAnon:";

    public static long AnonymousBytes()
    {
        var line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith(Field, StringComparison.Ordinal));
        var kilobytes = line[Field.Length..].Replace("kB", "", StringComparison.Ordinal);
        return 1024 * long.Parse(kilobytes.Trim(), CultureInfo.InvariantCulture);
    }
}
