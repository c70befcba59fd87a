using System.Diagnostics.CodeAnalysis;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>Reads tensors from a safetensors file, one at a time, straight into their memory.</summary>
/// <remarks>
/// Opening reads and checks the header alone; a tensor's data is touched when it is asked for. Files and tensors of any
/// size work. Several threads may read at once.
/// </remarks>
public sealed class SafetensorsReader : TensorSource
{
    private readonly ByteSource _bytes;
    private bool _disposed;

    private SafetensorsReader(ByteSource bytes)
    {
        Header = SafetensorsHeader.Read(bytes);
        _bytes = bytes;
    }

    /// <summary>What the file holds; it stays valid after <see cref="Dispose" />.</summary>
    public SafetensorsHeader Header { get; }

    /// <inheritdoc />
    public override IReadOnlyList<SafetensorsEntry> Entries => Header.Entries;

    /// <inheritdoc />
    public override IReadOnlyDictionary<string, string> Metadata => Header.Metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="SafetensorsFormatException">It is not a valid safetensors file.</exception>
    public static new SafetensorsReader Open(string path)
    {
        var bytes = new FileBytes(path);
        try
        {
            return new SafetensorsReader(bytes);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <summary>Reads from a stream and checks the header.</summary>
    /// <param name="stream">The whole file; it can seek. Its position is changed by every read.</param>
    /// <param name="leaveOpen">
    /// Whether <see cref="Dispose" /> leaves the stream open. It stays open where this method throws.
    /// </param>
    /// <exception cref="ArgumentException">The stream cannot be read or cannot seek.</exception>
    /// <exception cref="SafetensorsFormatException">It does not hold a valid safetensors file.</exception>
    public static SafetensorsReader Open(Stream stream, bool leaveOpen = false)
    {
        SafetensorsHeader.CheckStream(stream);
        return new(new StreamBytes(stream, leaveOpen));
    }

    /// <inheritdoc />
    public override bool TryGetEntry(string name, [NotNullWhen(true)] out SafetensorsEntry? entry) =>
        Header.TryGetEntry(name, out entry);

    /// <inheritdoc />
    public override Tensor Read(string name)
    {
        var entry = Entry(name);
        var dtype =
            entry.DataType.ToScalarType()
            ?? throw new NotSupportedException(
                $"tensor {TensorNames.Quote(name)} is {entry}, which libtorch has no tensors of; read it with "
                    + nameof(ReadBytes)
            );
        CheckStillThere(entry);
        var tensor = empty(entry.Shape.AsSpan(), dtype, CPU);
        try
        {
            Fill(entry, tensor);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <inheritdoc />
    public override void ReadInto(string name, Tensor target)
    {
        ArgumentNullException.ThrowIfNull(target);
        var entry = Entry(name);
        CheckTarget(entry, target);
        CheckStillThere(entry);
        Fill(entry, target);
    }

    /// <inheritdoc />
    public override byte[] ReadBytes(string name)
    {
        var entry = Entry(name);
        if (entry.ByteCount > Array.MaxLength)
        {
            throw new NotSupportedException(
                $"tensor {TensorNames.Quote(name)} has {entry.ByteCount} bytes; an array has at most "
                    + $"{Array.MaxLength}: read parts with the other overload"
            );
        }

        CheckStillThere(entry);
        var bytes = new byte[entry.ByteCount];
        ReadExactly(entry, 0, bytes);
        return bytes;
    }

    /// <inheritdoc />
    public override void ReadBytes(string name, long offset, Span<byte> destination)
    {
        var entry = Entry(name);
        CheckPart(entry, offset, destination.Length);
        ReadExactly(entry, offset, destination);
    }

    /// <inheritdoc />
    public override MappedTensor Map(string name)
    {
        var entry = Entry(name);
        if (_bytes.Handle is null)
        {
            throw new NotSupportedException(
                $"tensor {TensorNames.Quote(name)} comes from a stream that is no file, which cannot be mapped; open "
                    + $"the file by its path, or use {nameof(ReadBytes)}"
            );
        }

        CheckStillThere(entry);
        return new MappedTensor(this, entry, _bytes, Header.DataOffset + entry.Begin);
    }

    /// <summary>Closes the file.</summary>
    public override void Dispose()
    {
        _disposed = true;
        _bytes.Dispose();
    }

    internal static void CheckPart(SafetensorsEntry entry, long offset, int length)
    {
        if (offset < 0 || offset > entry.ByteCount - length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset),
                $"{length} bytes from {offset} on were asked for; tensor {TensorNames.Quote(entry.Name)} has "
                    + $"{entry.ByteCount}"
            );
        }
    }

    // Found before the first byte is read, so that a target is whole, old or new, in all but a race.
    internal void CheckStillThere(SafetensorsEntry entry)
    {
        if (_bytes.Length < Header.DataOffset + entry.End)
        {
            throw Cut(entry);
        }
    }

    private SafetensorsEntry Entry(string name)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(name);
        return Header.GetEntry(name);
    }

    private static void CheckTarget(SafetensorsEntry entry, Tensor target)
    {
        var name = TensorNames.Quote(entry.Name);
        if (entry.DataType.ToScalarType() != target.dtype || !entry.Shape.AsSpan().SequenceEqual(target.shape))
        {
            throw new ArgumentException(
                $"tensor {name} is {entry} in the file; the target is {target.dtype} "
                    + $"{SafetensorsEntry.ShapeText(target.shape)} and must be the same; use {nameof(ConvertInto)}",
                nameof(target)
            );
        }

        if (target.device_type != TorchSharp.DeviceType.CPU || target.is_sparse || !target.is_contiguous())
        {
            throw new ArgumentException(
                $"tensor {name} can be read into a contiguous dense tensor on the CPU only; for any other, use "
                    + $"target.copy_({nameof(Read)}(name))",
                nameof(target)
            );
        }
    }

    private void Fill(SafetensorsEntry entry, Tensor tensor)
    {
        var memory = TensorMemory.Of(tensor);
        for (long offset = 0; offset < memory.Length; )
        {
            var chunk = memory.ChunkAt(offset);
            ReadExactly(entry, offset, chunk);
            offset += chunk.Length;
        }

        GC.KeepAlive(tensor);
    }

    private void ReadExactly(SafetensorsEntry entry, long offset, Span<byte> destination)
    {
        if (_bytes.Read(Header.DataOffset + entry.Begin + offset, destination) < destination.Length)
        {
            throw Cut(entry);
        }
    }

    private SafetensorsFormatException Cut(SafetensorsEntry entry) =>
        SafetensorsFormatException.At(
            _bytes.Name,
            $"tensor {TensorNames.Quote(entry.Name)}",
            $"its data ends at byte {Header.DataOffset + entry.End} of the file, which now has {_bytes.Length}: the "
                + $"file was cut after it was opened with {Header.DataOffset + Header.DataLength}; open it again when it "
                + "is whole"
        );
}
