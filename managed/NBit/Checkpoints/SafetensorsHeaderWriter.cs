using System.Buffers.Binary;
using System.Text;

namespace NBit.Checkpoints;

/// <summary>Writes a safetensors header byte for byte as the reference implementation does.</summary>
internal static class SafetensorsHeaderWriter
{
    private const int Alignment = 8; // of the data in the file

    /// <summary>UTF-8 that refuses what is no valid UTF-16.</summary>
    public static UTF8Encoding Utf8 { get; } = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The begin of a file: the header's length, the header, and spaces up to a multiple of 8 bytes.</summary>
    /// <param name="entries">The tensors, in the order of their data.</param>
    /// <param name="metadata">The metadata in the order to write; none is written where it is empty.</param>
    /// <exception cref="ArgumentException">
    /// A string is no valid UTF-16, or the header is longer than <see cref="SafetensorsHeader.MaxLength" />.
    /// </exception>
    public static byte[] Write(
        IEnumerable<SafetensorsEntry> entries,
        IReadOnlyCollection<KeyValuePair<string, string>> metadata
    )
    {
        var json = new StringBuilder("{");
        if (metadata.Count > 0)
        {
            AppendString(json, SafetensorsHeader.MetadataKey).Append(":{");
            foreach (var (key, value) in metadata)
            {
                AppendString(json, key).Append(':');
                AppendString(json, value).Append(',');
            }

            json[^1] = '}';
            json.Append(',');
        }

        foreach (var entry in entries)
        {
            AppendString(json, entry.Name)
                .Append($":{{\"dtype\":\"{entry.DataType.Code()}\",\"shape\":[")
                .AppendJoin(',', entry.Shape)
                .Append($"],\"data_offsets\":[{entry.Begin},{entry.End}]}},");
        }

        json.Length -= json.Length > 1 ? 1 : 0; // the last comma
        return Frame(json.Append('}').ToString());
    }

    private static byte[] Frame(string json)
    {
        var length = Utf8.GetByteCount(json);
        var padded = (length + Alignment - 1) / Alignment * Alignment;
        if (padded > SafetensorsHeader.MaxLength)
        {
            throw new ArgumentException(
                $"the header would have {padded} bytes; at most {SafetensorsHeader.MaxLength} are allowed: use shorter "
                    + "names, less metadata, or several files"
            );
        }

        var bytes = new byte[SafetensorsHeader.PrefixLength + padded];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)padded);
        var content = bytes.AsSpan(SafetensorsHeader.PrefixLength);
        content[Utf8.GetBytes(json, content)..].Fill((byte)' ');
        return bytes;
    }

    // The escapes of serde_json, which writes the reference implementation's files; System.Text.Json's differ.
    private static StringBuilder AppendString(StringBuilder json, string text)
    {
        json.Append('"');
        foreach (var character in text)
        {
            _ = character switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                < ' ' => json.Append($"\\u{(int)character:x4}"),
                _ => json.Append(character),
            };
        }

        return json.Append('"');
    }
}
