using System.Text;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>
/// What a safetensors file will hold, and in which order. Making it finds all that can be wrong, before a byte is
/// written.
/// </summary>
internal sealed class SafetensorsPlan
{
    private SafetensorsPlan(byte[] header, IReadOnlyList<(SafetensorsEntry Entry, Tensor Tensor)> items)
    {
        Header = header;
        Items = items;
    }

    /// <summary>The begin of the file.</summary>
    public byte[] Header { get; }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<(SafetensorsEntry Entry, Tensor Tensor)> Items { get; }

    /// <summary>The file's length in bytes.</summary>
    public long Length => Header.Length + (Items.Count == 0 ? 0 : Items[^1].Entry.End);

    /// <summary>Checks and orders what is to be saved; <see cref="SafetensorsWriter.Save" /> says the rest.</summary>
    public static SafetensorsPlan Of(
        IEnumerable<(string Name, Tensor Tensor)> tensors,
        IEnumerable<KeyValuePair<string, string>>? metadata
    )
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var items = new List<(byte[] Utf8, string Name, SafetensorsDataType DataType, Tensor Tensor)>();
        foreach (var (name, tensor) in tensors)
        {
            items.Add((CheckedName(name, names), name, CheckedDataType(name, tensor), tensor));
        }

        // Names compare as in the reference implementation: by their UTF-8 bytes.
        items.Sort(
            (left, right) =>
                left.DataType != right.DataType
                    ? right.DataType.CompareTo(left.DataType)
                    : left.Utf8.AsSpan().SequenceCompareTo(right.Utf8)
        );

        var placed = new List<(SafetensorsEntry Entry, Tensor Tensor)>(items.Count);
        long begin = 0;
        foreach (var (_, name, dataType, tensor) in items)
        {
            var end = begin + (tensor.numel() * tensor.element_size());
            placed.Add((new SafetensorsEntry(name, dataType, [.. tensor.shape], begin, end), tensor));
            begin = end;
        }

        return new(SafetensorsHeaderWriter.Write(placed.Select(item => item.Entry), Checked(metadata)), placed);
    }

    private static byte[] CheckedName(string name, HashSet<string> names)
    {
        if (name == SafetensorsHeader.MetadataKey)
        {
            throw new ArgumentException(
                $"'{name}' is the format's own key and no tensor's name; to write metadata, pass it as such"
            );
        }

        var utf8 = CheckedUtf8(name, "tensor's name");
        return names.Add(name)
            ? utf8
            : throw new ArgumentException(
                $"two tensors are named {TensorNames.Quote(name)}; each name may appear once"
            );
    }

    private static SafetensorsDataType CheckedDataType(string name, Tensor tensor)
    {
        var quoted = TensorNames.Quote(name);
        if (tensor is null || tensor.IsInvalid)
        {
            throw new ArgumentException($"tensor {quoted} is null or was disposed");
        }

        if (tensor.is_meta)
        {
            throw new ArgumentException($"tensor {quoted} is on the meta device and has no data; give it data first");
        }

        try
        {
            TensorMemory.CheckDense(tensor);
        }
        catch (ArgumentException error)
        {
            throw new ArgumentException($"tensor {quoted} cannot be saved: {error.Message}", error);
        }

        return SafetensorsDataTypes.FromScalarType(tensor.dtype)
            ?? throw new ArgumentException(
                $"tensor {quoted} is {tensor.dtype}, which the format has no type for; save view_as_real() of a complex128 "
                    + $"tensor, int_repr() and the scale of a quantized one. The format has {SafetensorsDataTypes.Codes}"
            );
    }

    private static OrderedDictionary<string, string> Checked(IEnumerable<KeyValuePair<string, string>>? metadata)
    {
        var unique = new OrderedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in metadata ?? [])
        {
            CheckedUtf8(key, "metadata key");
            CheckedUtf8(value, $"value of metadata key {TensorNames.Quote(key)}");
            if (!unique.TryAdd(key, value))
            {
                throw new ArgumentException(
                    $"metadata has the key {TensorNames.Quote(key)} twice; each may appear once"
                );
            }
        }

        return unique;
    }

    private static byte[] CheckedUtf8(string? text, string what)
    {
        if (text is null)
        {
            throw new ArgumentException($"a {what} is null; it must be a string");
        }

        try
        {
            return SafetensorsHeaderWriter.Utf8.GetBytes(text);
        }
        catch (EncoderFallbackException error)
        {
            throw new ArgumentException(
                $"the {what} {TensorNames.Quote(text)} holds half of a surrogate pair; both must be there",
                error
            );
        }
    }
}
