using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace NBit.GoldenTests.Golden;

/// <summary>
/// nbit-rules.json: where NBit's answer differs on purpose from what a peer recorded, or how close it must be.
/// </summary>
public static class GoldenRules
{
    private static readonly ConcurrentDictionary<string, Regex> Globs = new(StringComparer.Ordinal);
    private static readonly List<JsonElement> Rules = GoldenFolder.Json("nbit-rules.json")
        is { ValueKind: JsonValueKind.Array } list
        ? [.. list.EnumerateArray()]
        : [];

    /// <summary>
    /// The first rule that matches a value in a JSON file; a path that matches stands for everything below it.
    /// </summary>
    public static GoldenRule? ForJson(string file, string path)
    {
        for (var part = path; ; part = part[..part.LastIndexOf('/')])
        {
            if (Find(file, "json_path", part) is { } rule)
            {
                return rule;
            }

            if (!part.Contains('/', StringComparison.Ordinal))
            {
                return null;
            }
        }
    }

    /// <summary>The first rule that matches a tensor of a safetensors file.</summary>
    public static GoldenRule? ForTensor(string file, string tensor) => Find(file, "tensor", tensor);

    private static GoldenRule? Find(string file, string kind, string name)
    {
        foreach (var rule in Rules)
        {
            if (rule.Text(kind) is { } pattern && Matches(rule.Text("file")!, file) && Matches(pattern, name))
            {
                return new GoldenRule(rule.Text("rule")!, rule.Text("design"), rule.Text("why"), rule);
            }
        }

        return null;
    }

    /// <summary>Whether a name matches a glob; a star also matches dots and slashes.</summary>
    public static bool Matches(string glob, string text) =>
        Globs
            .GetOrAdd(
                glob,
                pattern =>
                    new(
                        $"^{Expression(pattern)}$",
                        RegexOptions.CultureInvariant | RegexOptions.Singleline,
                        TimeSpan.FromSeconds(1)
                    )
            )
            .IsMatch(text);

    private static string Expression(string glob) =>
        Regex.Escape(glob).Replace(@"\*", ".*", StringComparison.Ordinal).Replace(@"\?", ".", StringComparison.Ordinal);
}

/// <summary>One rule: exact, value, close, codes, refused or differs.</summary>
public sealed record GoldenRule(string Kind, string? Design, string? Why, JsonElement Json);
