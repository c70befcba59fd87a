using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace NBit.Logging;

/// <summary>NBit's own messages, through the factory that is set at the time.</summary>
internal static class Log
{
    private static readonly ConcurrentDictionary<string, byte> Said = new(StringComparer.Ordinal);

    public static void Information(string message) => Write(LogLevel.Information, message);

    public static void Warning(string message) => Write(LogLevel.Warning, message);

    /// <summary>A warning about the whole process, which saying it again would not help.</summary>
    public static void WarningOnce(string message)
    {
        if (Said.TryAdd(message, 0))
        {
            Warning(message);
        }
    }

    private static void Write(LogLevel level, string message) =>
        NBitRuntime.LoggerFactory.CreateLogger("NBit").Log(level, default, message, null, static (text, _) => text);
}
