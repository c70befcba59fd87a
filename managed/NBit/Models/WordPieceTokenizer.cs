using Microsoft.ML.Tokenizers;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>BERT's tokenizer (WordPiece, arXiv 1609.08144) over a folder's vocab.txt, by
/// Microsoft.ML.Tokenizers.</summary>
/// <remarks>Several threads may encode at once.</remarks>
public sealed class WordPieceTokenizer
{
    private const string VocabularyFile = "vocab.txt";
    private readonly BertTokenizer _tokenizer;

    private WordPieceTokenizer(BertTokenizer tokenizer) => _tokenizer = tokenizer;

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
        if (!File.Exists(vocabulary))
        {
            throw new FileNotFoundException(
                $"'{vocabulary}' is missing; a BERT's folder has the tokens there, one a line",
                vocabulary
            );
        }

        var config = TokenizerConfig.Load(folder);
        var lower = config?.Flag("do_lower_case", otherwise: true) ?? true;
        var options = new BertOptions
        {
            LowerCaseBeforeTokenization = lower,
            RemoveNonSpacingMarks = config?.Flag("strip_accents", lower) ?? lower,
            IndividuallyTokenizeCjk = config?.Flag("tokenize_chinese_chars", otherwise: true) ?? true,
            UnknownToken = TokenizerConfig.Token(config, "unk_token") ?? "[UNK]",
            SeparatorToken = TokenizerConfig.Token(config, "sep_token") ?? "[SEP]",
            PaddingToken = TokenizerConfig.Token(config, "pad_token") ?? "[PAD]",
            ClassificationToken = TokenizerConfig.Token(config, "cls_token") ?? "[CLS]",
            MaskingToken = TokenizerConfig.Token(config, "mask_token") ?? "[MASK]",
        };
        try
        {
            return new(BertTokenizer.Create(vocabulary, options));
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException or KeyNotFoundException)
        {
            throw new ModelFormatException($"{vocabulary}: no vocabulary of WordPiece: {error.Message}", error);
        }
    }

    /// <summary>A text's tokens, with the one that begins it ([CLS]) and the one that ends it ([SEP]).</summary>
    /// <param name="text">The text.</param>
    public IReadOnlyList<int> Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _tokenizer.EncodeToIds(text, addSpecialTokens: true);
    }

    /// <summary>Texts' tokens side by side, padded at the end to the longest.</summary>
    /// <param name="texts">At least one text.</param>
    /// <returns>
    /// Tokens, int64 [texts, tokens], and the mask of the same shape, 1 where there is a token and 0 where there is
    /// padding; the caller owns both.
    /// </returns>
    /// <exception cref="ArgumentException">There is no text.</exception>
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
        tokens.AsSpan().Fill(_tokenizer.PaddingTokenId);
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
}
