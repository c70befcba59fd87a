using Microsoft.ML.Tokenizers;

namespace NBit.Models;

/// <summary>The tokenizer of a Llama's folder, by Microsoft.ML.Tokenizers.</summary>
/// <remarks>
/// SentencePiece (tokenizer.model: Llama 1 and 2) or byte-level BPE (tokenizer.json: Llama 3). Several threads may use
/// it at once.
/// </remarks>
public sealed class TextTokenizer
{
    private const string SentencePieceFile = "tokenizer.model";
    private const string JsonFile = "tokenizer.json";
    private const char Replacement = '\uFFFD'; // what bytes decode to that are no whole character

    private readonly Tokenizer _tokenizer;
    private readonly IReadOnlyList<int> _prefix; // the tokens that begin every text

    internal TextTokenizer(Tokenizer tokenizer, IReadOnlyList<int> prefix) =>
        (_tokenizer, _prefix) = (tokenizer, prefix);

    /// <summary>Loads tokenizer.model, else tokenizer.json.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <exception cref="FileNotFoundException">There is neither.</exception>
    /// <exception cref="ModelFormatException">The file is damaged.</exception>
    /// <exception cref="NotSupportedException">tokenizer.json holds another tokenizer than byte-level BPE.</exception>
    public static TextTokenizer Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var pieces = Path.Combine(folder, SentencePieceFile);
        var json = Path.Combine(folder, JsonFile);
        return File.Exists(pieces) ? SentencePiece(pieces, TokenizerConfig.Load(folder))
            : File.Exists(json) ? BytePairTokenizer.Load(json)
            : throw new FileNotFoundException(
                $"folder '{folder}' has no {SentencePieceFile} and no {JsonFile}: give tokens instead of text",
                json
            );
    }

    /// <summary>A text's tokens, with the one that begins a text where the folder asks for it.</summary>
    /// <param name="text">The text.</param>
    public IReadOnlyList<long> Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. _prefix, .. _tokenizer.EncodeToIds(text)];
    }

    /// <summary>The text of tokens.</summary>
    /// <param name="tokens">The tokens.</param>
    public string Decode(IEnumerable<long> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        return _tokenizer.Decode(tokens.Select(token => (int)token));
    }

    /// <summary>The text that each further token adds, as soon as its characters are whole.</summary>
    /// <param name="prompt">The tokens before; their text is not given.</param>
    /// <param name="tokens">The further tokens, as they come.</param>
    /// <returns>Pieces of text; all together are what the tokens add to the prompt's text.</returns>
    public IEnumerable<string> DecodeStream(IReadOnlyList<long> prompt, IEnumerable<long> tokens)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(tokens);
        return Decoded(prompt, tokens);
    }

    // A token's text depends on those before it (spaces, bytes of one character), so the whole is decoded each time.
    private IEnumerable<string> Decoded(IReadOnlyList<long> prompt, IEnumerable<long> tokens)
    {
        List<long> all = [.. prompt];
        var shown = Decode(all).Length;
        var text = "";
        foreach (var token in tokens)
        {
            all.Add(token);
            text = Decode(all);
            if (text.Length > shown && text[^1] != Replacement)
            {
                yield return text[shown..];
                shown = text.Length;
            }
        }

        if (text.Length > shown)
        {
            yield return text[shown..];
        }
    }

    private static TextTokenizer SentencePiece(string path, JsonFields? config)
    {
        var bytes = File.ReadAllBytes(path);
        try
        {
            using var stream = new MemoryStream(bytes);
            var tokenizer = LlamaTokenizer.Create(
                stream,
                addBeginOfSentence: config?.Flag("add_bos_token", otherwise: true) ?? true,
                addEndOfSentence: false
            );
            return new(tokenizer, []);
        }
        catch (Exception error) when (error is not OutOfMemoryException) // whatever the parser stumbles over
        {
            throw new ModelFormatException($"{path}: no SentencePiece model: {error.Message}", error);
        }
    }
}
