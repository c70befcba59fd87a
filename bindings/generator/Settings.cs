using System.Text.Json;

namespace NBit.Bindings.Generator;

/// <summary>All that can be chosen about the bindings; read from settings.json, which is reviewed like code.</summary>
internal sealed record Settings(
    ClangSettings Clang,
    string Namespace,
    string Output,
    IReadOnlyList<HeaderSettings> Headers,
    IReadOnlyDictionary<string, string> Types
)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        RespectRequiredConstructorParameters = true,
        UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow,
    };

    public static Settings Read(string path) =>
        JsonSerializer.Deserialize<Settings>(File.ReadAllText(path), Json)
        ?? throw new InvalidDataException($"{path} holds no settings");
}

/// <summary>How the compiler is asked for its syntax tree.</summary>
internal sealed record ClangSettings(IReadOnlyList<string> Arguments);

/// <summary>One header, the library that exports it, and the class that binds it.</summary>
internal sealed record HeaderSettings(string Path, string Library, string Class, string Exports);
