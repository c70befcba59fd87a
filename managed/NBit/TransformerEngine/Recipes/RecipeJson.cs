using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NBit.Checkpoints;

namespace NBit.TransformerEngine;

/// <summary>Recipes in JSON, and from the dictionaries that Lightning takes.</summary>
internal static class RecipeJson
{
    private const int Version = 1;
    private const string VersionKey = "version";
    private const string RecipeKey = "recipe";

    public static string Write(Float8Recipe recipe)
    {
        if (recipe is DelayedScaling { IsCustom: true })
        {
            throw new NotSupportedException(
                "the recipe holds a function (amaxComputeAlgorithm or scaling), which JSON cannot: write the recipe without "
                    + "it, and set the function again with 'recipe with { ... }' where it is read"
            );
        }

        var name = recipe.GetType().Name;
        var json = new JsonObject { [VersionKey] = Version, [RecipeKey] = name };
        foreach (var field in RecipeFields.All[name].Fields)
        {
            if (field.Write(recipe) is { } value)
            {
                json[field.Name] = value;
            }
        }

        return json.ToJsonString();
    }

    public static Float8Recipe Read(string text)
    {
        var json = Parse(text);
        if (json[VersionKey] is not JsonValue version || !version.TryGetValue(out int number) || number != Version)
        {
            throw Invalid($"its {VersionKey} is {json[VersionKey]?.ToJsonString() ?? "missing"}; allowed is {Version}");
        }

        if (
            json[RecipeKey] is not JsonValue value
            || !value.TryGetValue(out string? name)
            || !RecipeFields.All.TryGetValue(name, out var known)
        )
        {
            throw Invalid(
                $"its {RecipeKey} is {json[RecipeKey]?.ToJsonString() ?? "missing"}; allowed are "
                    + string.Join(", ", RecipeFields.All.Keys)
            );
        }

        return Apply(
            name,
            known.Usual,
            known.Fields,
            json.Where(entry => entry.Key is not (VersionKey or RecipeKey)).Select(entry => (entry.Key, entry.Value))
        );
    }

    public static DelayedScaling FromDictionary(IReadOnlyDictionary<string, object> settings)
    {
        var (usual, fields) = RecipeFields.All[nameof(DelayedScaling)];
        return (DelayedScaling)Apply(
            nameof(DelayedScaling),
            usual,
            fields,
            settings.Select(entry => (entry.Key, JsonSerializer.SerializeToNode(entry.Value)))
        );
    }

    private static Float8Recipe Apply(
        string name,
        Float8Recipe recipe,
        RecipeField[] fields,
        IEnumerable<(string Key, JsonNode? Value)> settings
    )
    {
        foreach (var (key, value) in settings)
        {
            var field =
                Array.Find(fields, field => field.Name == key)
                ?? throw new ArgumentException(
                    $"{name} has no setting '{key}'; it has {string.Join(", ", fields.Select(field => field.Name))}"
                );
            try
            {
                recipe = field.Read(recipe, value ?? throw new FormatException("it is null"));
            }
            catch (Exception error) when (error is InvalidOperationException or FormatException)
            {
                throw new ArgumentException(
                    $"the setting '{key}' of {name} is {value?.ToJsonString() ?? "null"}; it must be of the kind of "
                        + (field.Write(recipe) ?? "a name").ToJsonString(),
                    error
                );
            }
        }

        return recipe;
    }

    private static JsonObject Parse(string text)
    {
        try
        {
            using var document = StrictJson.Parse(SafetensorsHeaderWriter.Utf8.GetBytes(text));
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? JsonObject.Create(document.RootElement.Clone())!
                : throw Invalid("it is no JSON object");
        }
        catch (Exception error) when (error is JsonException or EncoderFallbackException)
        {
            throw Invalid(error.Message, error);
        }
    }

    private static ArgumentException Invalid(string problem, Exception? cause = null) =>
        new($"this is no recipe: {problem}", cause);
}
