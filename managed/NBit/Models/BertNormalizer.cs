using System.Globalization;
using System.Text;

namespace NBit.Models;

/// <summary>
/// Text as BERT's WordPiece wants it: clean, perhaps in lower case and without accents, words and punctuation apart.
/// </summary>
/// <remarks>
/// The steps and their order are those of Hugging Face's tokenizers (BertNormalizer, BertPreTokenizer), by code points:
/// Microsoft.ML.Tokenizers' own go by UTF-16 units and lose what is beyond U+FFFF.
/// </remarks>
/// <param name="lower">Whether upper case becomes lower.</param>
/// <param name="stripAccents">Whether accents are removed.</param>
/// <param name="splitChinese">Whether each Chinese character is a word.</param>
internal sealed class BertNormalizer(bool lower, bool stripAccents, bool splitChinese)
{
    // CJK Unified Ideographs with their extensions A to E, and the compatibility ideographs.
    private static readonly (int First, int Last)[] Chinese =
    [
        (0x4E00, 0x9FFF),
        (0x3400, 0x4DBF),
        (0x20000, 0x2A6DF),
        (0x2A700, 0x2B73F),
        (0x2B740, 0x2B81F),
        (0x2B820, 0x2CEAF),
        (0xF900, 0xFAFF),
        (0x2F800, 0x2FA1F),
    ];

    private static readonly bool CanDecompose = "\u00e9".Normalize(NormalizationForm.FormD).Length == 2;

    /// <summary>The words of a text, each followed by a space.</summary>
    /// <exception cref="InvalidOperationException">
    /// Accents are to be removed from a text that is not ASCII, in a process without globalization.
    /// </exception>
    public string Normalize(ReadOnlySpan<char> text)
    {
        var clean = Clean(text);
        if (stripAccents)
        {
            clean = Decompose(clean);
        }

        if (lower)
        {
            clean = clean.ToLowerInvariant();
        }

        var words = new StringBuilder(clean.Length);
        foreach (var rune in clean.EnumerateRunes())
        {
            if (stripAccents && Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark)
            {
                continue;
            }

            Append(words, rune, apart: IsPunctuation(rune));
        }

        return words.ToString();
    }

    private string Clean(ReadOnlySpan<char> text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsSpace(rune))
            {
                clean.Append(' ');
            }
            else if (rune != Rune.ReplacementChar && !IsControl(rune)) // an unpaired surrogate reads as the former
            {
                Append(clean, rune, apart: splitChinese && Array.Exists(Chinese, range => IsWithin(rune, range)));
            }
        }

        return clean.ToString();
    }

    private static void Append(StringBuilder text, Rune rune, bool apart)
    {
        text.Append(apart ? " " : "").Append(rune).Append(apart ? " " : "");
    }

    private static string Decompose(string text) =>
        Ascii.IsValid(text) ? text
        : CanDecompose ? text.Normalize(NormalizationForm.FormD)
        : throw new InvalidOperationException(
            "the text has letters beyond ASCII and the tokenizer removes accents, which .NET cannot in this process: "
                + "run it without InvariantGlobalization, on a machine with libicu"
        );

    private static bool IsSpace(Rune rune) =>
        rune.Value is '\t' or '\n' or '\r' || Rune.GetUnicodeCategory(rune) == UnicodeCategory.SpaceSeparator;

    private static bool IsControl(Rune rune) =>
        Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.Control
                or UnicodeCategory.Format
                or UnicodeCategory.PrivateUse
                or UnicodeCategory.OtherNotAssigned;

    // All of ASCII's symbols count as punctuation, though Unicode calls some of them otherwise.
    private static bool IsPunctuation(Rune rune) =>
        (rune.IsAscii && !Rune.IsLetterOrDigit(rune) && rune.Value is > ' ' and < 0x7f) || Rune.IsPunctuation(rune);

    private static bool IsWithin(Rune rune, (int First, int Last) range) =>
        rune.Value >= range.First && rune.Value <= range.Last;
}
