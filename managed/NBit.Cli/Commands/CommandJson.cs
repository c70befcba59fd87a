using System.Text.Encodings.Web;
using System.Text.Json;

namespace NBit.Cli.Commands;

/// <summary>How commands print JSON: for files and terminals, where HTML's escapes are of no use.</summary>
internal static class CommandJson
{
    public static JsonSerializerOptions Lines { get; } =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static JsonSerializerOptions Document { get; } =
        new(Lines) { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };
}
