using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace NBit.Training;

/// <summary>Numbers in a checkpoint's JSON: exact, and also where JSON has no number for them.</summary>
internal static class CheckpointNumbers
{
    public static JsonNode Write(double value) =>
        double.IsFinite(value)
            ? JsonValue.Create(value)
            : JsonValue.Create(value.ToString(CultureInfo.InvariantCulture));

    /// <exception cref="FormatException">It is no number.</exception>
    public static double Read(JsonNode? node) =>
        node switch
        {
            null => throw new FormatException("a number is missing"),
            _ when node.GetValueKind() == JsonValueKind.String => double.Parse(
                node.GetValue<string>(),
                CultureInfo.InvariantCulture
            ),
            _ => node.GetValue<double>(),
        };
}
