namespace NBit.Models;

/// <summary>A folder's tokenizer_config.json.</summary>
internal static class TokenizerConfig
{
    private const string FileName = "tokenizer_config.json";

    /// <summary>The file, or null where there is none.</summary>
    /// <exception cref="ModelFormatException">It is no JSON object.</exception>
    public static JsonFields? Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        return File.Exists(path) ? JsonFields.Read(path) : null;
    }

    /// <summary>A special token's text, which is written as a string or as an object with its content.</summary>
    public static string? Token(JsonFields? config, string name) =>
        config is null ? null
        : config.IsObject(name) ? config.Object(name)!.Text("content")
        : config.Text(name);
}
