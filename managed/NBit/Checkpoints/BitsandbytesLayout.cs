using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>The tensors by which bitsandbytes keeps a quantized weight in a state dict.</summary>
internal static class BitsandbytesLayout
{
    private const string StateKey = "weight.quant_state.bitsandbytes__";

    // Row-major int8; bitsandbytes' other formats were orders for old GPUs' tensor cores.
    private const byte RowFormat = 0;
    private const string EightBit = "int8";

    /// <summary>The tensors of a weight besides "weight" itself, in bitsandbytes' order.</summary>
    /// <returns>Names within the layer, and tensors; new ones are in the caller's dispose scope.</returns>
    public static IEnumerable<(string Name, Tensor Tensor)> Companions(LinearWeight? weight)
    {
        switch (weight)
        {
            case Weight4bit four:
                yield return ("weight.absmax", four.State.Absmax);
                yield return ("weight.quant_map", four.State.Code.ToTensor());
                if (four.State.Nested is { } nested)
                {
                    yield return ("weight.nested_absmax", nested.Absmax);
                    yield return ("weight.nested_quant_map", nested.Code.ToTensor());
                }

                var state = QuantStateJson.Of(four.State);
                yield return (StateKey + QuantStateJson.NameOf(state.QuantType), tensor(state.ToBytes()));
                break;
            case Weight8bit eight:
                yield return ("SCB", eight.RowAbsmax);
                yield return ("weight_format", tensor(RowFormat));
                break;
        }
    }

    /// <summary>Checks that the tensors of a layer belong together. Takes no memory.</summary>
    /// <param name="tensors">The checkpoint.</param>
    /// <param name="layer">The layer in it.</param>
    /// <exception cref="SafetensorsFormatException">They do not.</exception>
    public static void Check(TensorSource tensors, QuantizedLayer layer)
    {
        if (layer.Format == EightBit)
        {
            CheckEight(tensors, layer);
        }
        else
        {
            CheckFour(tensors, layer);
        }
    }

    /// <summary>Reads a weight; everything is checked before memory is taken.</summary>
    /// <param name="tensors">The checkpoint.</param>
    /// <param name="layer">The layer in it.</param>
    /// <param name="computeType">What 4-bit operands are rounded to; null for the input's dtype.</param>
    /// <param name="threshold">The magnitude of outliers of 8-bit layers.</param>
    /// <exception cref="SafetensorsFormatException">The tensors do not belong together.</exception>
    public static LinearWeight Read(
        TensorSource tensors,
        QuantizedLayer layer,
        ScalarType? computeType,
        double threshold
    )
    {
        var weight = layer.NameOf("weight");
        if (layer.Format == EightBit)
        {
            var absmax = CheckEight(tensors, layer);
            return new Weight8bit(tensors.Read(weight), Flat(tensors, absmax), threshold);
        }

        var parts = CheckFour(tensors, layer);
        var json = parts.Json;
        var state = new QuantState
        {
            Absmax = Flat(tensors, parts.Absmax),
            Code = Codebook.OfType(json.QuantType),
            Blocksize = json.Blocksize,
            DataType = json.DataType,
            Shape = json.Shape,
            QuantType = json.QuantType,
            Offset = json.NestedOffset is { } offset ? tensor((float)offset) : null,
            Nested = parts.Nested is not { } nested
                ? null
                : new QuantState
                {
                    Absmax = Flat(tensors, nested.Absmax),
                    Code = nested.Code,
                    Blocksize = QuantState.NestedBlocksize,
                    DataType = ScalarType.Float32,
                    Shape = [parts.Absmax.Shape[0]],
                },
        };
        return new Weight4bit(tensors.Read(weight), state, computeType);
    }

    private static SafetensorsEntry CheckEight(TensorSource tensors, QuantizedLayer layer)
    {
        if (tensors.TryGetEntry(layer.NameOf("weight_format"), out var format))
        {
            var bytes = format.ByteCount == 1 ? tensors.ReadBytes(format.Name) : [];
            if (bytes is not [RowFormat])
            {
                throw Error(
                    format,
                    $"it is {format} [{string.Join(", ", bytes)}]; NBit reads format {RowFormat} (rows)"
                );
            }
        }

        return layer.Shape.Length == 2
            ? Entry(tensors, layer, "SCB", SafetensorsDataType.Float32, layer.Shape[0])
            : throw Error(layer.Tensors[0], $"it is {layer.Tensors[0]}; a layer's weight has two dimensions");
    }

    private static FourBitParts CheckFour(TensorSource tensors, QuantizedLayer layer)
    {
        var key = layer.Tensors[^1];
        QuantStateJson json;
        try
        {
            json = QuantStateJson.Parse(tensors.ReadBytes(key.Name));
        }
        catch (FormatException error)
        {
            throw Error(key, error.Message, error);
        }

        if (key.Name != layer.NameOf(StateKey + QuantStateJson.NameOf(json.QuantType)))
        {
            throw Error(key, $"its quant_type is {QuantStateJson.NameOf(json.QuantType)}, which its name is not");
        }

        if (json.Shape.Count != 2 || layer.ElementCount == 0)
        {
            throw Error(
                key,
                $"its shape is [{string.Join(", ", json.Shape)}]; a layer's weight has two dimensions and elements"
            );
        }

        var blocks = QuantState.BlocksOf(layer.ElementCount, json.Blocksize);
        var type = json.NestedBlocksize is null ? SafetensorsDataType.Float32 : SafetensorsDataType.UInt8;
        var absmax = Entry(tensors, layer, "weight.absmax", type, blocks);
        var code = ReadCode(tensors, layer, "weight.quant_map", 16);
        if (!ReferenceEquals(code, Codebook.OfType(json.QuantType)))
        {
            throw Error(
                tensors.GetEntry(layer.NameOf("weight.quant_map")),
                $"its values are not {QuantStateJson.NameOf(json.QuantType)}'s; NBit's products have fixed codes"
            );
        }

        return new(
            json,
            absmax,
            json.NestedBlocksize is { } nested ? CheckNested(tensors, layer, nested, blocks) : null
        );
    }

    private static (SafetensorsEntry Absmax, Codebook Code) CheckNested(
        TensorSource tensors,
        QuantizedLayer layer,
        int blocksize,
        long blocks
    )
    {
        if (blocksize != QuantState.NestedBlocksize)
        {
            throw Error(
                layer.Tensors[^1],
                $"its nested_blocksize is {blocksize}; NBit reads {QuantState.NestedBlocksize}, as bitsandbytes writes it"
            );
        }

        var count = QuantState.BlocksOf(blocks, blocksize);
        return (
            Entry(tensors, layer, "weight.nested_absmax", SafetensorsDataType.Float32, count),
            ReadCode(tensors, layer, "weight.nested_quant_map", 256)
        );
    }

    private static Codebook ReadCode(TensorSource tensors, QuantizedLayer layer, string name, int count)
    {
        var entry = Entry(tensors, layer, name, SafetensorsDataType.Float32, count);
        using var values = tensors.Read(entry.Name);
        try
        {
            return Codebook.OfTensor(values);
        }
        catch (ArgumentException error)
        {
            throw Error(entry, error.Message, error);
        }
    }

    private static Tensor Flat(TensorSource tensors, SafetensorsEntry entry)
    {
        using var read = tensors.Read(entry.Name);
        return read.view(-1);
    }

    private static SafetensorsEntry Entry(
        TensorSource tensors,
        QuantizedLayer layer,
        string name,
        SafetensorsDataType type,
        long count
    )
    {
        if (!tensors.TryGetEntry(layer.NameOf(name), out var entry))
        {
            throw Error(layer.Tensors[^1], $"there is no {TensorNames.Quote(layer.NameOf(name))} beside it");
        }

        return entry.DataType == type && SafetensorsLayout.ElementCount(entry.Shape.AsSpan()) == count
            ? entry
            : throw Error(entry, $"it is {entry}; it must be {type.Code()} of {count} elements");
    }

    private static SafetensorsFormatException Error(SafetensorsEntry entry, string problem, Exception? cause = null) =>
        SafetensorsFormatException.At(null, $"tensor {TensorNames.Quote(entry.Name)}", problem, cause);

    private sealed record FourBitParts(
        QuantStateJson Json,
        SafetensorsEntry Absmax,
        (SafetensorsEntry Absmax, Codebook Code)? Nested
    );
}
