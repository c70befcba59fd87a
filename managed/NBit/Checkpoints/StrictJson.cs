using System.Text.Json;
using System.Text.Unicode;

namespace NBit.Checkpoints;

/// <summary>
/// JSON from files that may be damaged: all that can be wrong with it as JSON is found before any of it is used.
/// </summary>
/// <remarks>
/// System.Text.Json looks at strings only when they are asked for, and then throws InvalidOperationException where they
/// are no text; and of keys that appear twice it takes one.
/// </remarks>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

    private static ReadOnlySpan<byte> ByteOrderMark => [0xef, 0xbb, 0xbf];

    /// <summary>Parses a file of a length that the caller allows; a byte order mark is left out.</summary>
    /// <exception cref="JsonException">As for <see cref="Parse" />.</exception>
    public static JsonDocument Read(Stream stream)
    {
        var json = new byte[stream.Length];
        stream.ReadExactly(json);
        return Parse(json.AsMemory(json.AsSpan().StartsWith(ByteOrderMark) ? ByteOrderMark.Length : 0));
    }

    /// <summary>Parses a text.</summary>
    /// <param name="json">UTF-8; it must not change while the document is used.</param>
    /// <exception cref="JsonException">
    /// It is no JSON, or no UTF-8, or an escape is half of a surrogate pair, or a key appears twice.
    /// </exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json)
    {
        CheckStrings(json.Span);
        return JsonDocument.Parse(json, Options);
    }

    private static void CheckStrings(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json))
        {
            throw new JsonException("the text is no valid UTF-8");
        }

        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || !reader.ValueIsEscaped)
            {
                continue;
            }

            try
            {
                _ = reader.GetString();
            }
            catch (InvalidOperationException error)
            {
                throw new JsonException(
                    $"an escape in the string at byte {reader.TokenStartIndex} is half of a surrogate pair; "
                        + "both halves must be there",
                    error
                );
            }
        }
    }
}
