using System.Collections.Immutable;
using System.Text.Json;

namespace NBit.Checkpoints;

/// <summary>A layer whose weight is quantized by bitsandbytes, known by its tensors' names.</summary>
/// <remarks>
/// 4 bits: <c>weight</c> with <c>weight.quant_state.bitsandbytes__nf4</c> (or fp4), <c>weight.absmax</c>,
/// <c>weight.quant_map</c> and, where the absmax are quantized too, <c>weight.nested_absmax</c> and
/// <c>weight.nested_quant_map</c>. 8 bits: an I8 <c>weight</c> with <c>SCB</c>, and <c>weight_format</c> (bitsandbytes,
/// state dicts of Linear4bit and Linear8bitLt).
/// </remarks>
/// <param name="Name">The layer's name: that of its weight without ".weight".</param>
/// <param name="Format">"nf4", "fp4" or "int8"; with "-dq" where the absmax are quantized too.</param>
/// <param name="Shape">The shape of the weight before it was quantized.</param>
/// <param name="Tensors">The tensors that hold the weight, itself first; the bias is not among them.</param>
public sealed record QuantizedLayer(
    string Name,
    string Format,
    ImmutableArray<long> Shape,
    ImmutableArray<SafetensorsEntry> Tensors
)
{
    private const string Weight = ".weight";
    private const string StatePrefix = ".quant_state.bitsandbytes__";
    private const string Scales = ".SCB";
    private static readonly string[] StateKeys = [".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"];

    // A quant_state is a few hundred bytes of JSON; what claims to be more is none.
    private const int LongestState = 1 << 16;

    /// <summary>The full name of one of the layer's tensors.</summary>
    /// <param name="tensor">Its name within the layer.</param>
    internal string NameOf(string tensor) => Within(Name, tensor);

    /// <summary>The number of elements of the weight.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>The number of bytes that hold the weight, scales and maps and all.</summary>
    public long ByteCount => Tensors.Sum(entry => entry.ByteCount);

    /// <summary>The quantized layers of a checkpoint, in its order.</summary>
    /// <param name="tensors">The checkpoint; of its data only the quantization states are read.</param>
    /// <exception cref="SafetensorsFormatException">
    /// A layer has the names of a quantized one but lacks its weight, or its state is malformed.
    /// </exception>
    public static IReadOnlyList<QuantizedLayer> Find(TensorSource tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var layers = new List<QuantizedLayer>();
        foreach (var entry in tensors.Entries)
        {
            // The names of a layer that is itself the model begin without its name and a dot.
            var state = $".{entry.Name}".IndexOf(Weight + StatePrefix, StringComparison.Ordinal);
            if (state >= 0)
            {
                layers.Add(FourBit(tensors, entry, entry.Name[..Math.Max(state - 1, 0)]));
            }
            else if ($".{entry.Name}".EndsWith(Scales, StringComparison.Ordinal))
            {
                layers.Add(EightBit(tensors, entry, entry.Name[..Math.Max(entry.Name.Length - Scales.Length, 0)]));
            }
        }

        return layers;
    }

    private static QuantizedLayer FourBit(TensorSource tensors, SafetensorsEntry state, string layer)
    {
        var weight = WeightOf(tensors, state, layer);
        var format = state.Name[(weight.Name.Length + StatePrefix.Length)..];
        var others = StateKeys
            .Select(key => tensors.TryGetEntry(weight.Name + key, out var other) ? other : null)
            .OfType<SafetensorsEntry>()
            .ToArray();
        var nested = others.Any(other => other.Name.EndsWith("nested_absmax", StringComparison.Ordinal));
        var shape = ShapeIn(tensors, state);
        if (
            shape.Any(long.IsNegative)
            || SafetensorsLayout.ElementCount(shape.AsSpan()) is not { } count
            || (count + 1) / 2 != weight.ByteCount
        )
        {
            throw Error(
                state,
                $"the state's shape {SafetensorsEntry.ShapeText(shape.AsSpan())} is not that of {weight}, which holds "
                    + $"{2 * weight.ByteCount} elements of 4 bits"
            );
        }

        return new(layer, nested ? $"{format}-dq" : format, shape, [weight, .. others, state]);
    }

    private static QuantizedLayer EightBit(TensorSource tensors, SafetensorsEntry scales, string layer)
    {
        var weight = WeightOf(tensors, scales, layer);
        if (weight.DataType != SafetensorsDataType.Int8)
        {
            throw Error(scales, $"its weight is {weight}; with row scales it must be I8");
        }

        return tensors.TryGetEntry(Within(layer, "weight_format"), out var format)
            ? new(layer, "int8", weight.Shape, [weight, scales, format])
            : new(layer, "int8", weight.Shape, [weight, scales]);
    }

    private static SafetensorsEntry WeightOf(TensorSource tensors, SafetensorsEntry state, string layer) =>
        tensors.TryGetEntry(Within(layer, "weight"), out var weight)
            ? weight
            : throw Error(state, $"there is no {TensorNames.Quote(Within(layer, "weight"))} that it belongs to");

    private static string Within(string layer, string tensor) => layer.Length == 0 ? tensor : $"{layer}.{tensor}";

    private static ImmutableArray<long> ShapeIn(TensorSource tensors, SafetensorsEntry state)
    {
        if (state.ByteCount > LongestState || state.DataType != SafetensorsDataType.UInt8)
        {
            throw Error(state, $"{state} is no quantization state: JSON in at most {LongestState} bytes of U8");
        }

        try
        {
            using var json = JsonDocument.Parse(tensors.ReadBytes(state.Name));
            return [.. json.RootElement.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())];
        }
        catch (Exception error)
            when (error
                    is JsonException
                        or KeyNotFoundException
                        or InvalidOperationException
                        or FormatException
                        and not SafetensorsFormatException
            )
        {
            throw Error(state, $"no quantization state with a shape (an array of integers): {error.Message}", error);
        }
    }

    private static SafetensorsFormatException Error(SafetensorsEntry entry, string problem, Exception? cause = null) =>
        SafetensorsFormatException.At(null, $"tensor {TensorNames.Quote(entry.Name)}", problem, cause);
}
