using System.Text.Json;
using System.Text.Json.Nodes;

namespace NBit.Training;

/// <summary>Reads the JSON of a checkpoint, which may be damaged.</summary>
internal static class CheckpointJson
{
    /// <summary>A member that must be there.</summary>
    /// <exception cref="FormatException">It is not.</exception>
    public static JsonNode Member(this JsonNode? node, string name) =>
        node?[name] ?? throw new FormatException($"'{name}' is missing");

    /// <summary>Runs code that reads JSON.</summary>
    /// <param name="where">The file and the entry, for the message.</param>
    /// <param name="read">Reads the JSON.</param>
    /// <exception cref="CheckpointMismatchException">The JSON is not what it should be.</exception>
    public static T Read<T>(string where, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error)
            when (error
                    is JsonException
                        or FormatException
                        or InvalidOperationException
                        or ArgumentException
                        or KeyNotFoundException
            )
        {
            throw new CheckpointMismatchException($"{where} is damaged: {error.Message}", error);
        }
    }

    /// <summary>Runs code that reads JSON.</summary>
    /// <param name="where">The file and the entry, for the message.</param>
    /// <param name="read">Reads the JSON.</param>
    /// <exception cref="CheckpointMismatchException">The JSON is not what it should be.</exception>
    public static void Read(string where, Action read) =>
        Read(
            where,
            () =>
            {
                read();
                return true;
            }
        );
}
