using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;
using static TorchSharp.torch;
using WordPiece = Microsoft.ML.Tokenizers.WordPieceTokenizer;

namespace NBit.Models;

/// <summary>BERT's tokenizer (WordPiece, arXiv 1609.08144) over a folder's vocab.txt, by
/// Microsoft.ML.Tokenizers.</summary>
/// <remarks>Several threads may encode at once.</remarks>
public sealed class WordPieceTokenizer
{
    private const string VocabularyFile = "vocab.txt";
    private static readonly TimeSpan RegexTimeout = TimeSpan.FromSeconds(10);

    private readonly WordPiece _pieces;
    private readonly BertNormalizer _normalizer;
    private readonly Regex _specialTokens;
    private readonly Dictionary<string, int> _specialIds;
    private readonly int _begin,
        _end,
        _padding;

    private WordPieceTokenizer(string vocabulary, JsonFields? config)
    {
        var lower = config?.Flag("do_lower_case", otherwise: true) ?? true;
        _normalizer = new BertNormalizer(
            lower,
            config?.Flag("strip_accents", lower) ?? lower,
            config?.Flag("tokenize_chinese_chars", otherwise: true) ?? true
        );
        var unknown = Name("unk_token", "[UNK]");
        string[] special =
        [
            Name("cls_token", "[CLS]"),
            Name("sep_token", "[SEP]"),
            Name("pad_token", "[PAD]"),
            unknown,
            Name("mask_token", "[MASK]"),
        ];
        _specialIds = Find(vocabulary, special);
        (_begin, _end, _padding) = (_specialIds[special[0]], _specialIds[special[1]], _specialIds[special[2]]);
        _specialTokens = new Regex(
            $"({string.Join('|', special.Select(Regex.Escape))})",
            RegexOptions.None,
            RegexTimeout
        );
        _pieces = WordPiece.Create(
            vocabulary,
            new WordPieceOptions { PreTokenizer = PreTokenizer.CreateWhiteSpace(), UnknownToken = unknown }
        );

        string Name(string field, string otherwise) => TokenizerConfig.Token(config, field) ?? otherwise;
    }

    /// <summary>Loads vocab.txt and, where it is there, tokenizer_config.json.</summary>
    /// <remarks>
    /// Of the latter: do_lower_case (true where missing, as in transformers), strip_accents (as do_lower_case where
    /// missing), tokenize_chinese_chars, and the special tokens' names.
    /// </remarks>
    /// <param name="folder">The model's folder.</param>
    /// <exception cref="FileNotFoundException">There is no vocab.txt.</exception>
    /// <exception cref="ModelFormatException">A field is wrong, or the vocabulary lacks a special token.</exception>
    public static WordPieceTokenizer Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var vocabulary = Path.Combine(folder, VocabularyFile);
        return File.Exists(vocabulary)
            ? new(vocabulary, TokenizerConfig.Load(folder))
            : throw new FileNotFoundException(
                $"'{vocabulary}' is missing; a BERT's folder has the tokens there, one a line",
                vocabulary
            );
    }

    /// <summary>A text's tokens, with the one that begins it ([CLS]) and the one that ends it ([SEP]).</summary>
    /// <remarks>Names of special tokens in the text stand for these tokens, as in transformers.</remarks>
    /// <param name="text">The text.</param>
    /// <exception cref="InvalidOperationException">
    /// Accents are to be removed from a text that is not ASCII, in a process without globalization.
    /// </exception>
    public IReadOnlyList<int> Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var tokens = new List<int> { _begin };
        foreach (var part in _specialTokens.Split(text))
        {
            if (_specialIds.TryGetValue(part, out var token))
            {
                tokens.Add(token);
            }
            else
            {
                tokens.AddRange(_pieces.EncodeToIds(_normalizer.Normalize(part)));
            }
        }

        tokens.Add(_end);
        return tokens;
    }

    /// <summary>Texts' tokens side by side, padded at the end to the longest.</summary>
    /// <param name="texts">At least one text.</param>
    /// <returns>
    /// Tokens, int64 [texts, tokens], and the mask of the same shape, 1 where there is a token and 0 where there is
    /// padding; the caller owns both.
    /// </returns>
    /// <exception cref="ArgumentException">There is no text.</exception>
    /// <exception cref="InvalidOperationException">As for <see cref="Encode" />.</exception>
    public (Tensor Ids, Tensor Mask) EncodeBatch(IReadOnlyList<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Count == 0)
        {
            throw new ArgumentException("there is no text; give at least one", nameof(texts));
        }

        var encoded = texts.Select(Encode).ToArray();
        var longest = encoded.Max(ids => ids.Count);
        var tokens = new long[texts.Count * longest];
        var mask = new long[tokens.Length];
        tokens.AsSpan().Fill(_padding);
        for (var row = 0; row < encoded.Length; row++)
        {
            for (var column = 0; column < encoded[row].Count; column++)
            {
                tokens[(row * longest) + column] = encoded[row][column];
                mask[(row * longest) + column] = 1;
            }
        }

        long[] shape = [texts.Count, longest];
        return (tensor(tokens, shape, device: CPU), tensor(mask, shape, device: CPU));
    }

    // A token's number is that of its line.
    private static Dictionary<string, int> Find(string vocabulary, string[] special)
    {
        var found = File.ReadLines(vocabulary)
            .Select((token, line) => (Token: token.TrimEnd(), Line: line))
            .Where(entry => special.Contains(entry.Token, StringComparer.Ordinal))
            .GroupBy(entry => entry.Token, StringComparer.Ordinal)
            .ToDictionary(entries => entries.Key, entries => entries.Last().Line, StringComparer.Ordinal);
        var missing = special.Where(token => !found.ContainsKey(token)).ToArray();
        return missing.Length == 0
            ? found
            : throw new ModelFormatException(
                $"{vocabulary}: there is no line {string.Join(", ", missing.Select(token => $"'{token}'"))}; a "
                    + $"vocabulary of BERT has {string.Join(", ", special)}"
            );
    }
}
