using System.Collections.Immutable;

namespace NBit.Checkpoints;

/// <summary>What a safetensors header says of one tensor.</summary>
public sealed class SafetensorsEntry
{
    internal SafetensorsEntry(
        string name,
        SafetensorsDataType dataType,
        ImmutableArray<long> shape,
        long begin,
        long end
    )
    {
        Name = name;
        DataType = dataType;
        Shape = shape;
        Begin = begin;
        End = end;
    }

    /// <summary>The tensor's name.</summary>
    public string Name { get; }

    /// <summary>The type of its elements.</summary>
    public SafetensorsDataType DataType { get; }

    /// <summary>
    /// Its shape, row-major; empty for a scalar. For sub-byte types the number of elements, not of bytes.
    /// </summary>
    public ImmutableArray<long> Shape { get; }

    /// <summary>
    /// The first byte, counted from the begin of the data (<see cref="SafetensorsHeader.DataOffset" /> in the file).
    /// </summary>
    public long Begin { get; }

    /// <summary>The byte after the last, counted in the same way.</summary>
    public long End { get; }

    /// <summary>The number of elements.</summary>
    public long ElementCount => SafetensorsLayout.ElementCount(Shape.AsSpan())!.Value; // a header was checked for it

    /// <summary>The number of bytes.</summary>
    public long ByteCount => End - Begin;

    /// <summary>The tensor's type and shape as messages show them, F32 [2, 3] for one.</summary>
    public override string ToString() => $"{DataType.Code()} {ShapeText(Shape.AsSpan())}";

    /// <summary>A shape in brackets; a very long one is cut.</summary>
    internal static string ShapeText(ReadOnlySpan<long> shape)
    {
        const int longest = 16;
        var sizes = string.Join(", ", shape[..Math.Min(shape.Length, longest)].ToArray());
        return shape.Length > longest ? $"[{sizes}, … {shape.Length} dimensions]" : $"[{sizes}]";
    }
}
