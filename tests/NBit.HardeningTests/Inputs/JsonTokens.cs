using System.Buffers;

namespace NBit.HardeningTests.Inputs;

/// <summary>Where the tokens of a text are that is JSON, or was before it was changed.</summary>
internal static class JsonTokens
{
    private static readonly SearchValues<byte> Ends = SearchValues.Create("{}[]:,\" \t\r\n"u8);

    private static ReadOnlySpan<byte> Punctuation => "{}[]:,"u8;

    /// <summary>The tokens in their order, blanks left out; strings have their quotes.</summary>
    public static List<Range> Of(ReadOnlySpan<byte> text)
    {
        var tokens = new List<Range>();
        for (var position = 0; position < text.Length; )
        {
            var length = LengthAt(text[position..]);
            if (!char.IsWhiteSpace((char)text[position]))
            {
                tokens.Add(position..(position + length));
            }

            position += length;
        }

        return tokens;
    }

    /// <summary>A token; if it opens an object or array, all of that.</summary>
    public static Range ValueAt(ReadOnlySpan<byte> text, List<Range> tokens, int index)
    {
        var depth = 0;
        for (var end = index; end < tokens.Count; end++)
        {
            depth += text[tokens[end].Start] switch
            {
                (byte)'{' or (byte)'[' => 1,
                (byte)'}' or (byte)']' => -1,
                _ => 0,
            };
            if (depth <= 0)
            {
                return tokens[index].Start..tokens[end].End;
            }
        }

        return tokens[index];
    }

    private static int LengthAt(ReadOnlySpan<byte> text)
    {
        if (Punctuation.Contains(text[0]) || char.IsWhiteSpace((char)text[0]))
        {
            return 1;
        }

        if (text[0] != '"')
        {
            var end = text[1..].IndexOfAny(Ends);
            return end < 0 ? text.Length : end + 1;
        }

        for (var position = 1; position < text.Length; position++)
        {
            if (text[position] == '"')
            {
                return position + 1;
            }

            position += text[position] == '\\' ? 1 : 0;
        }

        return text.Length;
    }
}
