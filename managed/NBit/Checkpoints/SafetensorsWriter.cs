using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>Writes tensors to a safetensors file, with the bytes that the reference implementation writes.</summary>
/// <remarks>
/// As there, tensors are sorted by type, of the largest alignment first, and then by name, so that each is aligned in
/// the file; metadata keeps the order given. Tensors that are not contiguous, or not on the CPU, are copied one at a
/// time; tensors that share memory are written once each.
/// </remarks>
public static class SafetensorsWriter
{
    /// <summary>
    /// Writes a file. The new file takes the old one's place when it is complete and on the disk, or not at all.
    /// </summary>
    /// <param name="path">The file, in a directory that exists.</param>
    /// <param name="tensors">Names and tensors of any shape and device, of a dtype that the format has.</param>
    /// <param name="metadata">Free text by key; null or empty for none.</param>
    /// <exception cref="ArgumentException">
    /// A name appears twice, is reserved (__metadata__) or no valid UTF-16; or a tensor is sparse, without data (meta),
    /// disposed, or of a dtype that the format lacks. Nothing was written.
    /// </exception>
    /// <exception cref="IOException">
    /// The file cannot be written, for want of space for one; the old one is as it was.
    /// </exception>
    public static void Save(
        string path,
        IEnumerable<(string Name, Tensor Tensor)> tensors,
        IEnumerable<KeyValuePair<string, string>>? metadata = null
    )
    {
        var plan = SafetensorsPlan.Of(tensors, metadata);
        AtomicFile.Write(path, stream => Write(stream, plan), plan.Length);
    }

    /// <summary>Writes the same bytes to a stream.</summary>
    /// <param name="stream">Is written from its position on, and left open.</param>
    /// <param name="tensors">As for <see cref="Save" />.</param>
    /// <param name="metadata">As for <see cref="Save" />.</param>
    /// <exception cref="ArgumentException">As for <see cref="Save" />; nothing was written.</exception>
    public static void Write(
        Stream stream,
        IEnumerable<(string Name, Tensor Tensor)> tensors,
        IEnumerable<KeyValuePair<string, string>>? metadata = null
    )
    {
        ArgumentNullException.ThrowIfNull(stream);
        Write(stream, SafetensorsPlan.Of(tensors, metadata));
    }

    private static void Write(Stream stream, SafetensorsPlan plan)
    {
        stream.Write(plan.Header);
        foreach (var (_, tensor) in plan.Items)
        {
            WriteData(stream, tensor);
        }
    }

    private static void WriteData(Stream stream, Tensor tensor)
    {
        // contiguous() leaves a lazy conjugate as it is, and the lazy sign of its imaginary part too, which is
        // contiguous only where it has a single element.
        using var detached = tensor.detach();
        using var local = detached.cpu();
        using var resolved = local.numel() == 1 ? local.clone() : local.resolve_conj();
        using var contiguous = resolved.contiguous();
        var memory = TensorMemory.Of(contiguous);
        for (long offset = 0; offset < memory.Length; )
        {
            var chunk = memory.ChunkAt(offset);
            stream.Write(chunk);
            offset += chunk.Length;
        }
    }
}
