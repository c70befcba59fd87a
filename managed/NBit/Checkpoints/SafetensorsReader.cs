using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>Reads tensors from a safetensors file, one at a time, straight into their memory.</summary>
/// <remarks>
/// Opening reads and checks the header alone. Files and tensors of any size work. Not for several threads at once; each
/// may open the file by itself.
/// </remarks>
public sealed class SafetensorsReader : IDisposable
{
    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private bool _disposed;

    private SafetensorsReader(Stream stream, bool leaveOpen)
    {
        Header = SafetensorsHeader.Read(stream);
        _stream = stream;
        _leaveOpen = leaveOpen;
    }

    /// <summary>What the file holds; it stays valid after <see cref="Dispose" />.</summary>
    public SafetensorsHeader Header { get; }

    private string? FileName => (_stream as FileStream)?.Name;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="SafetensorsFormatException">It is not a valid safetensors file.</exception>
    public static SafetensorsReader Open(string path)
    {
        // Unbuffered: the reads are large and go to the tensors' memory. Others may replace the file meanwhile.
        const FileShare share = FileShare.Read | FileShare.Delete;
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, share, bufferSize: 0);
        try
        {
            return new SafetensorsReader(stream, leaveOpen: false);
        }
        catch
        {
            stream.Dispose();
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
    public static SafetensorsReader Open(Stream stream, bool leaveOpen = false) => new(stream, leaveOpen);

    /// <summary>Reads a tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>A new contiguous CPU tensor of the file's dtype and shape, which the caller owns.</returns>
    /// <exception cref="KeyNotFoundException">
    /// There is no tensor of that name; the message lists near names.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// libtorch has no tensors of its type; read it with <see cref="ReadBytes(string)" />.
    /// </exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public Tensor Read(string name)
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

    /// <summary>
    /// Reads a tensor into the memory of one that exists: a model's weight is loaded without a second copy.
    /// </summary>
    /// <remarks>
    /// Autograd does not see the change. Where reading fails midway (a disk's fault, a file cut meanwhile), the target
    /// holds some of the new bytes.
    /// </remarks>
    /// <param name="name">Its name.</param>
    /// <param name="target">A contiguous CPU tensor of the file's dtype and shape.</param>
    /// <exception cref="KeyNotFoundException">
    /// There is no tensor of that name; the message lists near names.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The target is of another dtype, shape or device, or not contiguous.
    /// </exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public void ReadInto(string name, Tensor target)
    {
        ArgumentNullException.ThrowIfNull(target);
        var entry = Entry(name);
        CheckTarget(entry, target);
        CheckStillThere(entry);
        Fill(entry, target);
    }

    /// <summary>Reads a tensor's bytes, little-endian and row-major, of any type of the format.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="KeyNotFoundException">
    /// There is no tensor of that name; the message lists near names.
    /// </exception>
    /// <exception cref="NotSupportedException">It is too large for one array; read parts of it.</exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public byte[] ReadBytes(string name)
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

    /// <summary>Reads a part of a tensor's bytes.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="offset">The first byte, counted from the tensor's begin.</param>
    /// <param name="destination">Is filled.</param>
    /// <exception cref="KeyNotFoundException">
    /// There is no tensor of that name; the message lists near names.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The part is not within the tensor.</exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public void ReadBytes(string name, long offset, Span<byte> destination)
    {
        var entry = Entry(name);
        if (offset < 0 || offset > entry.ByteCount - destination.Length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(offset),
                $"{destination.Length} bytes from {offset} on were asked for; tensor {TensorNames.Quote(name)} has "
                    + $"{entry.ByteCount}"
            );
        }

        ReadExactly(entry, offset, destination);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        _disposed = true;
        if (!_leaveOpen)
        {
            _stream.Dispose();
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
                    + $"{SafetensorsEntry.ShapeText(target.shape)} and must be the same: use {nameof(Read)} and convert",
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
        _stream.Position = Header.DataOffset + entry.Begin + offset;
        if (_stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) < destination.Length)
        {
            throw Cut(entry);
        }
    }

    // Found before the first byte is read, so that a target is whole, old or new, in all but a race.
    private void CheckStillThere(SafetensorsEntry entry)
    {
        if (_stream.Length < Header.DataOffset + entry.End)
        {
            throw Cut(entry);
        }
    }

    private SafetensorsFormatException Cut(SafetensorsEntry entry) =>
        SafetensorsFormatException.At(
            FileName,
            $"tensor {TensorNames.Quote(entry.Name)}",
            $"its data ends at byte {Header.DataOffset + entry.End} of the file, which now has {_stream.Length}: the file "
                + $"was cut after it was opened with {Header.DataOffset + Header.DataLength}; open it again when it is whole"
        );
}
