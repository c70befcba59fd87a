namespace NBit.Checkpoints;

/// <summary>
/// How tensors lie in the data of a safetensors file: one after the other, from the first byte to the last.
/// </summary>
internal static class SafetensorsLayout
{
    /// <summary>The number of elements of a shape, or null where libtorch could not hold it.</summary>
    /// <remarks>
    /// Zeros do not hide a product beyond 2^63 - 1: libtorch's strides are products that leave them out.
    /// </remarks>
    public static long? ElementCount(ReadOnlySpan<long> shape)
    {
        Int128 product = 1;
        foreach (var size in shape)
        {
            product *= Math.Max(size, 1);
            if (product > long.MaxValue)
            {
                return null;
            }
        }

        return shape.Contains(0) ? 0 : (long)product;
    }

    /// <summary>The entries in the order of their data, checked to cover all of it exactly once.</summary>
    /// <exception cref="SafetensorsFormatException">
    /// There is a hole, an overlap, or too little or too much data.
    /// </exception>
    public static IReadOnlyList<SafetensorsEntry> InOrder(
        IEnumerable<SafetensorsEntry> entries,
        long dataLength,
        string? file
    )
    {
        SafetensorsEntry? previous = null;
        SafetensorsEntry[] ordered = [.. entries.OrderBy(entry => entry.Begin).ThenBy(entry => entry.End)];
        foreach (var entry in ordered)
        {
            if (Fault(previous, entry, dataLength) is { } fault)
            {
                throw SafetensorsFormatException.At(
                    file,
                    $"tensor {TensorNames.Quote(entry.Name)}",
                    $"data_offsets [{entry.Begin}, {entry.End}], but {fault}"
                );
            }

            previous = entry;
        }

        var end = previous?.End ?? 0;
        return end == dataLength
            ? ordered
            : throw SafetensorsFormatException.At(
                file,
                $"data byte {end}",
                $"the tensors end here, but the file has {dataLength} bytes of data; all of it must belong to tensors"
            );
    }

    private static string? Fault(SafetensorsEntry? previous, SafetensorsEntry entry, long dataLength)
    {
        var end = previous?.End ?? 0;
        if (entry.Begin != end)
        {
            var before = previous is null ? "the data begins" : $"{TensorNames.Quote(previous.Name)} before it ends";
            var fault = entry.Begin < end ? "overlaps it" : "leaves a hole";
            return $"{before} at {end}: it {fault}; tensors must follow each other without gap";
        }

        return entry.End > dataLength ? $"the file has {dataLength} bytes of data: it is truncated" : null;
    }
}
