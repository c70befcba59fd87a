using System.Text;
using System.Text.Json;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>
/// The JSON object in a tensor <c>weight.quant_state.bitsandbytes__nf4</c> (or fp4): what bitsandbytes keeps of a 4-bit
/// weight besides tensors.
/// </summary>
/// <param name="QuantType">The code.</param>
/// <param name="Blocksize">Elements that share one absmax.</param>
/// <param name="DataType">The dtype that was quantized.</param>
/// <param name="Shape">The shape that was quantized.</param>
/// <param name="NestedBlocksize">Blocks that share one nested absmax; null without double quantization.</param>
/// <param name="NestedOffset">What was subtracted from absmax; null without double quantization.</param>
internal sealed record QuantStateJson(
    QuantType QuantType,
    int Blocksize,
    ScalarType DataType,
    IReadOnlyList<long> Shape,
    int? NestedBlocksize,
    double? NestedOffset
)
{
    private static readonly Dictionary<string, ScalarType> Dtypes = new(StringComparer.Ordinal)
    {
        ["float32"] = ScalarType.Float32,
        ["float16"] = ScalarType.Float16,
        ["bfloat16"] = ScalarType.BFloat16,
    };

    private static readonly Dictionary<string, QuantType> Types = new(StringComparer.Ordinal)
    {
        ["nf4"] = QuantType.NF4,
        ["fp4"] = QuantType.FP4,
    };

    private static readonly string[] PlainFields = ["quant_type", "blocksize", "dtype", "shape"],
        NestedFields = ["nested_blocksize", "nested_dtype", "nested_offset"];

    /// <summary>The name that a type has in files.</summary>
    public static string NameOf(QuantType type) => Types.First(entry => entry.Value == type).Key;

    /// <summary>What describes a state.</summary>
    public static QuantStateJson Of(QuantState state) =>
        new(
            state.QuantType!.Value,
            state.Blocksize,
            state.DataType,
            state.Shape,
            state.Nested?.Blocksize,
            state.Offset?.item<float>()
        );

    /// <summary>Reads the object.</summary>
    /// <param name="json">UTF-8.</param>
    /// <exception cref="FormatException">It is not such an object; the message says what is wrong.</exception>
    public static QuantStateJson Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Parse(document.RootElement);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new FormatException($"it is no JSON object as bitsandbytes writes it: {error.Message}", error);
        }
    }

    /// <summary>Writes the object as Python's json.dumps does.</summary>
    /// <returns>UTF-8.</returns>
    public byte[] ToBytes()
    {
        var text = new StringBuilder()
            .Append($"{{\"quant_type\": \"{NameOf(QuantType)}\", \"blocksize\": {Blocksize}")
            .Append($", \"dtype\": \"{DtypeName(DataType)}\", \"shape\": [{string.Join(", ", Shape)}]");
        if (NestedBlocksize is { } nested)
        {
            text.Append($", \"nested_blocksize\": {nested}, \"nested_dtype\": \"float32\"")
                .Append($", \"nested_offset\": {PythonNumber.Repr(NestedOffset!.Value)}");
        }

        return Encoding.UTF8.GetBytes(text.Append('}').ToString());
    }

    private static QuantStateJson Parse(JsonElement root)
    {
        var names = root.EnumerateObject().Select(property => property.Name).ToList();
        var isNested = names.Exists(name => NestedFields.Contains(name, StringComparer.Ordinal));
        string[] expected = isNested ? [.. PlainFields, .. NestedFields] : PlainFields;
        if (names.Count != expected.Length || expected.Except(names, StringComparer.Ordinal).Any())
        {
            throw new FormatException(
                $"it has the fields [{string.Join(", ", names)}]; a state of this version has "
                    + $"[{string.Join(", ", expected)}]"
            );
        }

        if (isNested && root.GetProperty("nested_dtype").GetString() is var dtype and not "float32")
        {
            throw new FormatException($"nested_dtype is '{dtype}'; allowed is 'float32'");
        }

        var shape = root.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
        return shape.All(size => size >= 0) && SafetensorsLayout.ElementCount(shape) is not null
            ? new(
                OneOf(root, "quant_type", Types),
                Blocksizes(root, "blocksize"),
                OneOf(root, "dtype", Dtypes),
                shape,
                isNested ? Blocksizes(root, "nested_blocksize") : null,
                isNested ? Finite(root, "nested_offset") : null
            )
            : throw new FormatException($"shape is [{string.Join(", ", shape)}], which no tensor has");
    }

    private static T OneOf<T>(JsonElement root, string field, Dictionary<string, T> values) =>
        root.GetProperty(field).GetString() is { } text && values.TryGetValue(text, out var value)
            ? value
            : throw new FormatException(
                $"{field} is '{root.GetProperty(field)}'; allowed are {string.Join(", ", values.Keys)}"
            );

    private static int Blocksizes(JsonElement root, string field) =>
        root.GetProperty(field).TryGetInt32(out var value) && value is >= 32 and <= 4096 && int.IsPow2(value)
            ? value
            : throw new FormatException(
                $"{field} is {root.GetProperty(field)}; allowed are the powers of two from 32 to 4096"
            );

    private static double Finite(JsonElement root, string field) =>
        root.GetProperty(field).TryGetDouble(out var value) && float.IsFinite((float)value)
            ? value
            : throw new FormatException($"{field} is {root.GetProperty(field)}; it must be a float32 number");

    private static string DtypeName(ScalarType type) => Dtypes.First(entry => entry.Value == type).Key;
}
