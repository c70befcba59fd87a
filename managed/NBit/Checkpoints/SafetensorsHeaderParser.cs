using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace NBit.Checkpoints;

/// <summary>Turns the JSON of a safetensors header into entries and metadata.</summary>
/// <remarks>Token by token, without a document, so that repeated keys and positions are seen.</remarks>
internal ref struct SafetensorsHeaderParser
{
    private const string Fields = "dtype, shape and data_offsets";
    private readonly string? _file;
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);
    private OrderedDictionary<string, string>? _metadata;
    private Utf8JsonReader _json;
    private string? _tensor; // the one whose entry is being parsed

    private SafetensorsHeaderParser(ReadOnlySpan<byte> json, string? file)
    {
        _file = file;

        // Header, entry, shape, and one more for a message that says what stands there.
        _json = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 4 });
    }

    /// <summary>Parses a whole header; <see cref="SafetensorsHeader.Parse" /> says the rest.</summary>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataLength, string? file)
    {
        CheckBytes(json, file);
        var content = json.TrimEnd((byte)' ');
        var parser = new SafetensorsHeaderParser(content, file);
        parser.ParseHeader();
        parser.CheckEnd(content);
        var entries = SafetensorsLayout.InOrder(parser._entries.Values, dataLength, file);
        return new SafetensorsHeader(
            entries,
            parser._entries,
            parser._metadata ?? new(StringComparer.Ordinal),
            json.Length,
            dataLength
        );
    }

    private static void CheckBytes(ReadOnlySpan<byte> json, string? file)
    {
        if (json.Length > SafetensorsHeader.MaxLength)
        {
            throw SafetensorsFormatException.At(
                file,
                "header",
                $"{json.Length} bytes; at most {SafetensorsHeader.MaxLength} are allowed"
            );
        }

        if (json.IsEmpty || json[0] != '{')
        {
            var found = json.IsEmpty ? "nothing" : $"byte 0x{json[0]:x2}";
            throw SafetensorsFormatException.At(
                file,
                "header byte 0",
                $"begins with {found}; a header begins with '{{' (0x7b)"
            );
        }

        if (!Utf8.IsValid(json))
        {
            var position = FirstInvalidByte(json);
            throw SafetensorsFormatException.At(
                file,
                $"header byte {position}",
                $"0x{json[position]:x2} is no valid UTF-8 here"
            );
        }
    }

    private static int FirstInvalidByte(ReadOnlySpan<byte> text)
    {
        var position = 0;
        while (Rune.DecodeFromUtf8(text[position..], out _, out var length) == System.Buffers.OperationStatus.Done)
        {
            position += length;
        }

        return position;
    }

    private void ParseHeader()
    {
        Next(); // the '{' that CheckBytes saw
        while (NextKey() is { } key)
        {
            if (key == SafetensorsHeader.MetadataKey)
            {
                ParseMetadata();
                continue;
            }

            _tensor = key;
            if (_entries.ContainsKey(key))
            {
                throw Error("the name appears twice; each may appear once");
            }

            _entries.Add(key, ParseEntry(key));
            _tensor = null;
        }
    }

    private readonly void CheckEnd(ReadOnlySpan<byte> content)
    {
        var end = (int)_json.BytesConsumed;
        if (end < content.Length)
        {
            throw SafetensorsFormatException.At(
                _file,
                $"header byte {end}",
                $"0x{content[end]:x2} follows the JSON; only spaces (0x20) may, as padding"
            );
        }
    }

    private void ParseMetadata()
    {
        if (_metadata is not null)
        {
            throw Error($"{SafetensorsHeader.MetadataKey} appears twice; it may appear once");
        }

        Expect(JsonTokenType.StartObject, SafetensorsHeader.MetadataKey, "an object of strings");
        _metadata = new(StringComparer.Ordinal);
        while (NextKey() is { } key)
        {
            var place = $"{SafetensorsHeader.MetadataKey} {TensorNames.Quote(key)}";
            Expect(JsonTokenType.String, place, "a string");
            if (!_metadata.TryAdd(key, Text()))
            {
                throw Error($"{place} appears twice; each key may appear once");
            }
        }
    }

    private SafetensorsEntry ParseEntry(string name)
    {
        SafetensorsDataType? dataType = null;
        ImmutableArray<long>? shape = null,
            offsets = null;
        Expect(JsonTokenType.StartObject, "the entry", $"an object of {Fields}");
        while (NextKey() is { } key)
        {
            switch (key)
            {
                case "dtype":
                    CheckFirst(key, dataType is null);
                    dataType = ParseDataType();
                    break;
                case "shape":
                    CheckFirst(key, shape is null);
                    shape = ParseNumbers(key);
                    break;
                case "data_offsets":
                    CheckFirst(key, offsets is null);
                    offsets = ParseNumbers(key);
                    break;
                default:
                    throw Error($"unknown field {TensorNames.Quote(key)}; allowed are {Fields}");
            }
        }

        return Entry(name, Given(dataType, "dtype"), Given(shape, "shape"), Given(offsets, "data_offsets"));
    }

    private readonly SafetensorsEntry Entry(
        string name,
        SafetensorsDataType dataType,
        ImmutableArray<long> shape,
        ImmutableArray<long> offsets
    )
    {
        if (offsets.Length != 2)
        {
            throw Error($"data_offsets has {offsets.Length} numbers; it must have two, begin and end");
        }

        var entry = new SafetensorsEntry(name, dataType, shape, offsets[0], offsets[1]);
        if (entry.Begin > entry.End)
        {
            throw Error($"data_offsets [{entry.Begin}, {entry.End}] begin after their end");
        }

        if (SafetensorsLayout.ElementCount(shape.AsSpan()) is not { } elements)
        {
            throw Error($"{entry} is too large: the product of a shape must be at most {long.MaxValue}");
        }

        var bits = (Int128)elements * dataType.BitsPerElement();
        if (bits % 8 != 0)
        {
            throw Error($"{entry} takes {bits} bits; a tensor must take whole bytes");
        }

        return bits / 8 == entry.ByteCount
            ? entry
            : throw Error(
                $"{entry} takes {bits / 8} bytes, but data_offsets [{entry.Begin}, {entry.End}] are {entry.ByteCount}"
            );
    }

    private readonly void CheckFirst(string field, bool first)
    {
        if (!first)
        {
            throw Error($"field '{field}' appears twice; it must appear once");
        }
    }

    private readonly T Given<T>(T? value, string field)
        where T : struct => value ?? throw Error($"field '{field}' is missing; an entry has {Fields}");

    private SafetensorsDataType ParseDataType()
    {
        Expect(JsonTokenType.String, "dtype", "a string");
        var code = Text();
        return SafetensorsDataTypes.FromCode(code)
            ?? throw Error($"dtype is {TensorNames.Quote(code)}; allowed are {SafetensorsDataTypes.Codes}");
    }

    private ImmutableArray<long> ParseNumbers(string field)
    {
        Expect(JsonTokenType.StartArray, field, "an array of integers");
        var numbers = ImmutableArray.CreateBuilder<long>();
        for (Next(); _json.TokenType != JsonTokenType.EndArray; Next())
        {
            Check(JsonTokenType.Number, $"an element of {field}", "an integer");

            // JSON's 1.0, 1e3 and -0 are no integers of the format, so digits alone count.
            if (_json.ValueSpan.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !_json.TryGetInt64(out var number))
            {
                var found = TensorNames.Quote(Encoding.ASCII.GetString(_json.ValueSpan));
                throw Error($"{field} holds {found}; allowed are integers from 0 to {long.MaxValue}, as digits alone");
            }

            numbers.Add(number);
        }

        return numbers.DrainToImmutable();
    }

    // A key of the object that is being read, or null at its end: JSON allows nothing else here.
    private string? NextKey()
    {
        Next();
        return _json.TokenType == JsonTokenType.EndObject ? null : Text();
    }

    private void Expect(JsonTokenType type, string what, string allowed)
    {
        Next();
        Check(type, what, allowed);
    }

    private readonly void Check(JsonTokenType type, string what, string allowed)
    {
        if (_json.TokenType != type)
        {
            throw Error($"{what} is JSON {_json.TokenType}; it must be {allowed}");
        }
    }

    private void Next()
    {
        try
        {
            _json.Read();
        }
        catch (JsonException error)
        {
            throw At(_json.BytesConsumed, $"invalid JSON: {error.Message}", error);
        }
    }

    private readonly string Text()
    {
        try
        {
            return _json.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw At(_json.TokenStartIndex, "an escape is half of a surrogate pair; both halves must be there", error);
        }
    }

    private readonly SafetensorsFormatException Error(string problem) => At(_json.TokenStartIndex, problem);

    private readonly SafetensorsFormatException At(long position, string problem, Exception? cause = null)
    {
        var tensor = _tensor is null ? "" : $", tensor {TensorNames.Quote(_tensor)}";
        return SafetensorsFormatException.At(_file, $"header byte {position}{tensor}", problem, cause);
    }
}
