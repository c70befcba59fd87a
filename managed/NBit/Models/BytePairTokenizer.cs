using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace NBit.Models;

/// <summary>Byte-level BPE from a tokenizer.json, the file of Hugging Face's tokenizers library.</summary>
/// <remarks>
/// Of that format: model BPE without byte fallback, no normalizer, a ByteLevel pre-tokenizer (alone or behind Splits by
/// a regular expression), added tokens, and the tokens that a TemplateProcessing puts before a text.
/// </remarks>
internal static class BytePairTokenizer
{
    // GPT-2's own expression, which a ByteLevel pre-tokenizer applies unless it is told not to.
    private const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private static readonly TimeSpan RegexTimeout = TimeSpan.FromSeconds(10);

    public static TextTokenizer Load(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = document.RootElement;
            var model = root.GetProperty("model");
            Require(path, "model", Type(model), "BPE");
            Require(path, "normalizer", Type(Find(root, "normalizer")), null);
            if (Find(model, "byte_fallback") is { ValueKind: JsonValueKind.True })
            {
                throw Unsupported(path, "byte_fallback is on, where only off is");
            }

            var added = Find(root, "added_tokens")
                ?.EnumerateArray()
                .ToDictionary(Content, token => token.GetProperty("id").GetInt32(), StringComparer.Ordinal);
            var vocabulary = model
                .GetProperty("vocab")
                .EnumerateObject()
                .Select(entry => KeyValuePair.Create(entry.Name, entry.Value.GetInt32()));
            var options = new BpeOptions(vocabulary)
            {
                Merges = [.. model.GetProperty("merges").EnumerateArray().Select(Merge)],
                ByteLevel = true,
                PreTokenizer = new RegexPreTokenizer(
                    new Regex(Pieces(Pattern(path, root)), RegexOptions.None, RegexTimeout),
                    added
                ),
                SpecialTokens = added,
            };
            return new(BpeTokenizer.Create(options), Prefix(root, added ?? []));
        }
        catch (Exception error)
            when (error
                    is JsonException
                        or KeyNotFoundException
                        or InvalidOperationException
                        or ArgumentException
                        or FormatException
            )
        {
            throw new ModelFormatException($"{path}: no tokenizer as its format has it: {error.Message}", error);
        }
    }

    // The pre-tokenizer looks for a piece where the last one ended, which is what \G means: it would find an empty one
    // there again and again.
    private static string Pieces(string pattern) => $@"(?:{pattern})(?!\G)";

    private static string Content(JsonElement token) => token.GetProperty("content").GetString()!;

    // "a b" in older files, ["a", "b"] in newer ones.
    private static string Merge(JsonElement merge) =>
        merge.ValueKind != JsonValueKind.Array ? merge.GetString()!
        : merge.GetArrayLength() == 2 ? $"{merge[0].GetString()} {merge[1].GetString()}"
        : throw new FormatException($"a merge has {merge.GetArrayLength()} parts; it must have two");

    private static string Pattern(string path, JsonElement root)
    {
        var steps = Steps(Find(root, "pre_tokenizer"), "pretokenizers");
        foreach (var step in steps)
        {
            if (Type(step) is not ("Split" or "ByteLevel"))
            {
                throw Unsupported(path, $"a pre-tokenizer is '{Type(step)}', where Split and ByteLevel are");
            }
        }

        var splits = steps.Where(step => Type(step) == "Split").ToArray();
        var levels = steps.Where(step => Type(step) == "ByteLevel").ToArray();
        if (levels.Length != 1 || splits.Length > 1)
        {
            throw Unsupported(
                path,
                $"{splits.Length} Splits and {levels.Length} ByteLevel pre-tokenizers, where 0 or 1 and 1 are"
            );
        }

        return splits.Length == 0 ? Gpt2Pattern
            : splits[0].GetProperty("pattern").TryGetProperty("Regex", out var pattern) ? pattern.GetString()!
            : throw Unsupported(path, "a Split has no regular expression, which is");
    }

    private static List<int> Prefix(JsonElement root, Dictionary<string, int> added)
    {
        var template = Steps(Find(root, "post_processor"), "processors")
            .Where(step => Type(step) == "TemplateProcessing");
        return
        [
            .. template
                .SelectMany(step => step.GetProperty("single").EnumerateArray())
                .TakeWhile(item => item.TryGetProperty("SpecialToken", out _))
                .Select(item => added[item.GetProperty("SpecialToken").GetProperty("id").GetString()!]),
        ];
    }

    // A Sequence's own steps, or the single step, or none.
    private static JsonElement[] Steps(JsonElement? element, string list) =>
        element is not { } step ? []
        : Type(step) == "Sequence" ? [.. step.GetProperty(list).EnumerateArray()]
        : [step];

    private static JsonElement? Find(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string? Type(JsonElement? element) => element?.GetProperty("type").GetString();

    private static void Require(string path, string part, string? found, string? supported)
    {
        if (found != supported)
        {
            throw Unsupported(path, $"the {part} is '{found ?? "none"}', where '{supported ?? "none"}' is");
        }
    }

    private static NotSupportedException Unsupported(string path, string what) =>
        new($"{path}: {what} supported here (byte-level BPE); give tokens instead of text");
}
