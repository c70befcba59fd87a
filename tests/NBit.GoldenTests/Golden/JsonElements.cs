using System.Globalization;
using System.Text.Json;

namespace NBit.GoldenTests.Golden;

/// <summary>Reads recorded JSON: numbers may be the strings "inf", "-inf" and "nan".</summary>
public static class JsonElements
{
    /// <summary>A property, or null where it is missing or null.</summary>
    public static JsonElement? Get(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object
        && element.TryGetProperty(name, out var value)
        && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    public static string? Text(this JsonElement element, string name) => element.Get(name)?.GetString();

    public static double? Number(this JsonElement element, string name) => element.Get(name)?.Number();

    public static double Number(this JsonElement element) =>
        element.ValueKind == JsonValueKind.String
            ? element.GetString() switch
            {
                "inf" => double.PositiveInfinity,
                "-inf" => double.NegativeInfinity,
                "nan" => double.NaN,
                var other => double.Parse(other!, CultureInfo.InvariantCulture),
            }
            : element.GetDouble();

    public static double[] Numbers(this JsonElement element) => [.. element.EnumerateArray().Select(Number)];

    public static IEnumerable<JsonElement> Items(this JsonElement element, string name) =>
        element.Get(name)?.EnumerateArray() ?? Enumerable.Empty<JsonElement>();

    public static IEnumerable<JsonProperty> Properties(this JsonElement element, string name) =>
        element.Get(name)?.EnumerateObject() ?? Enumerable.Empty<JsonProperty>();
}
