using System.Collections.Immutable;
using System.Text.Json;
using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>An object in a JSON file whose fields are read strictly: a fault names the file, the field and what is
/// allowed.</summary>
internal sealed class JsonFields
{
    private const int LargestFile = 1 << 24;

    private static readonly Dictionary<string, ScalarType> Dtypes = new(StringComparer.Ordinal)
    {
        ["float32"] = ScalarType.Float32,
        ["float16"] = ScalarType.Float16,
        ["bfloat16"] = ScalarType.BFloat16,
        ["float64"] = ScalarType.Float64,
        ["uint8"] = ScalarType.Byte,
        ["int8"] = ScalarType.Int8,
    };

    private readonly string _file;
    private readonly string _prefix; // of the fields' names: those of the objects around this one
    private readonly JsonElement _object;

    private JsonFields(string file, string prefix, JsonElement element)
    {
        (_file, _prefix, _object) = (file, prefix, element);
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new ModelFormatException(
                $"{file}: {(prefix.Length == 0 ? "the file" : $"'{prefix.TrimEnd('.')}'")} is JSON "
                    + $"{element.ValueKind}; it must be an object"
            );
        }
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ModelFormatException">It is no JSON object of valid text, or a key appears twice.</exception>
    public static JsonFields Read(string path)
    {
        using var stream = File.OpenRead(path);
        if (stream.Length > LargestFile)
        {
            throw new ModelFormatException($"{path}: {stream.Length} bytes; at most {LargestFile} are allowed");
        }

        try
        {
            using var document = StrictJson.Read(stream);
            return new(path, "", document.RootElement.Clone());
        }
        catch (JsonException error)
        {
            throw new ModelFormatException($"{path}: invalid JSON: {error.Message}", error);
        }
    }

    /// <summary>Whether a field is there and not null.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>Whether a field is there and an object.</summary>
    public bool IsObject(string name) => Find(name)?.ValueKind == JsonValueKind.Object;

    /// <summary>A nested object, or null where it is missing or null.</summary>
    public JsonFields? Object(string name) => Find(name) is { } value ? new(_file, $"{_prefix}{name}.", value) : null;

    public long Count(string name, long? otherwise = null) =>
        Find(name) is not { } value ? Otherwise(name, otherwise)
        : value.ValueKind == JsonValueKind.Number
        && value.TryGetInt64(out var number)
        && number is > 0 and <= int.MaxValue
            ? number
        : throw Error(name, value, $"an integer from 1 to {int.MaxValue}");

    /// <summary>A finite number above zero.</summary>
    public double Positive(string name, double? otherwise = null) => Number(name, otherwise, zero: false);

    /// <summary>A finite number of zero or more.</summary>
    public double NotNegative(string name, double? otherwise = null) => Number(name, otherwise, zero: true);

    public bool Flag(string name, bool otherwise) =>
        Find(name) is not { } value ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Error(name, value, "true or false");

    public string? Text(string name) =>
        Find(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Error(name, value, "a string");

    /// <summary>One of the names that a table has.</summary>
    public T OneOf<T>(string name, string otherwise, IReadOnlyDictionary<string, T> table)
    {
        var text = Text(name) ?? otherwise;
        return table.TryGetValue(text, out var value)
            ? value
            : throw Error(name, $"'{text}'", string.Join(", ", table.Keys));
    }

    /// <summary>A dtype as PyTorch names it ("torch.float16", "float16"), or null where the field is missing.</summary>
    public ScalarType? Dtype(string name)
    {
        const string package = "torch.";
        return Text(name) is not { } text ? null
            : Dtypes.TryGetValue(
                text.StartsWith(package, StringComparison.Ordinal) ? text[package.Length..] : text,
                out var dtype
            )
                ? dtype
            : throw Error(name, $"'{text}'", string.Join(", ", Dtypes.Keys));
    }

    /// <summary>A string or a list of strings; empty where the field is missing.</summary>
    public ImmutableArray<string> Texts(string name) =>
        [
            .. Elements(name)
                .Select(value =>
                    value.ValueKind == JsonValueKind.String
                        ? value.GetString()!
                        : throw Error(name, value, "a string or a list of strings")
                ),
        ];

    /// <summary>A token's number or a list of them; empty where the field is missing.</summary>
    public ImmutableArray<long> Tokens(string name) =>
        [
            .. Elements(name)
                .Select(value =>
                    value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var token) && token >= 0
                        ? token
                        : throw Error(name, value, "an integer of 0 or more, or a list of them")
                ),
        ];

    public ModelFormatException Error(string name, string found, string allowed) =>
        new($"{_file}: field '{_prefix}{name}' is {found}; allowed: {allowed}");

    private IEnumerable<JsonElement> Elements(string name) =>
        Find(name) is not { } value ? []
        : value.ValueKind == JsonValueKind.Array ? value.EnumerateArray()
        : [value];

    private double Number(string name, double? otherwise, bool zero) =>
        Find(name) is not { } value ? Otherwise(name, otherwise)
        : value.ValueKind == JsonValueKind.Number
        && value.GetDouble() is var number
        && double.IsFinite(number)
        && (number > 0 || (zero && number == 0))
            ? number
        : throw Error(name, value, zero ? "a finite number of 0 or more" : "a finite number above 0");

    private JsonElement? Find(string name) =>
        _object.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private T Otherwise<T>(string name, T? value)
        where T : struct =>
        value ?? throw new ModelFormatException($"{_file}: field '{_prefix}{name}' is missing; it must be there");

    private ModelFormatException Error(string name, JsonElement value, string allowed)
    {
        const int longest = 60;
        var text = value.GetRawText();
        return Error(name, text.Length > longest ? $"{text[..longest]}…" : text, allowed);
    }
}
