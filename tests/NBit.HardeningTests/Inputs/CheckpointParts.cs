using System.Collections.Immutable;
using NBit.Checkpoints;

namespace NBit.HardeningTests.Inputs;

/// <summary>What a safetensors file is made of, to change some of it and put it together again.</summary>
/// <param name="Tensors">Tensors and their bytes, in the order of the file.</param>
/// <param name="Metadata">The metadata.</param>
internal sealed record CheckpointParts(
    IReadOnlyList<CheckpointParts.Part> Tensors,
    IReadOnlyList<KeyValuePair<string, string>> Metadata
)
{
    private const int MostDimensions = 80; // more than libtorch's loops over elements know of: 64

    private static readonly string[] Names = ["", "a", "weight", "layer.0.bias", "é", "\"\\\n", "\U0001f600"];

    /// <summary>The parts of a valid file.</summary>
    public static CheckpointParts Of(byte[] file)
    {
        using var reader = SafetensorsReader.Open(new MemoryStream(file));
        return new(
            [
                .. reader.Entries.Select(entry => new Part(
                    entry.Name,
                    entry.DataType,
                    entry.Shape,
                    reader.ReadBytes(entry.Name)
                )),
            ],
            [.. reader.Metadata]
        );
    }

    /// <summary>Any small valid file.</summary>
    public static CheckpointParts Drawn(Draw draw) =>
        new(
            [.. Enumerable.Range(0, draw.Below(4)).Select(index => DrawnPart(draw, index))],
            [
                .. Enumerable
                    .Range(0, draw.Below(3))
                    .Select(index => KeyValuePair.Create($"{draw.Of(Names)}{index}", draw.Of(Names))),
            ]
        );

    /// <summary>The file.</summary>
    public byte[] ToFile()
    {
        var entries = new List<SafetensorsEntry>(Tensors.Count);
        long begin = 0;
        foreach (var part in Tensors)
        {
            entries.Add(new(part.Name, part.DataType, part.Shape, begin, begin + part.Bytes.Length));
            begin += part.Bytes.Length;
        }

        return [.. SafetensorsHeaderWriter.Write(entries, Metadata), .. Tensors.SelectMany(part => part.Bytes)];
    }

    private static Part DrawnPart(Draw draw, int index)
    {
        var dimensions = draw.OneIn(32) ? MostDimensions : draw.Below(4);
        var shape = ImmutableArray.CreateRange(
            Enumerable.Range(0, dimensions).Select(_ => dimensions == MostDimensions ? 1L : draw.Below(5))
        );
        if (draw.OneIn(32))
        {
            shape = shape.Add(0).Add(1L << draw.Below(60));
        }

        var type = (SafetensorsDataType)draw.Below(Enum.GetValues<SafetensorsDataType>().Length);
        var bits = SafetensorsLayout.ElementCount(shape.AsSpan()) * type.BitsPerElement();
        if (bits is not { } count || count % 8 != 0)
        {
            (type, shape, count) = (SafetensorsDataType.UInt8, [2], 16);
        }

        var bytes = new byte[count / 8];
        new Random((int)draw.Bits()).NextBytes(bytes);
        return new($"{draw.Of(Names)}{index}", type, shape, bytes);
    }

    /// <summary>A tensor.</summary>
    public sealed record Part(string Name, SafetensorsDataType DataType, ImmutableArray<long> Shape, byte[] Bytes);
}
