using System.Diagnostics.CodeAnalysis;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>Tensors on the disk: a safetensors file, the shards of an index, or a Hugging Face folder.</summary>
/// <remarks>
/// Opening reads and checks headers alone; a tensor's data is touched when it is asked for. Several threads may read at
/// once.
/// </remarks>
public abstract class TensorSource : IDisposable
{
    // Conversion goes through a piece of this size, so that no second copy of a tensor exists; it stays in the cache.
    private const int ConversionBytes = 1 << 20;

    private protected TensorSource() { }

    /// <summary>The tensors, in the order of files and data; valid after <see cref="Dispose" /> too.</summary>
    /// <remarks>Offsets count within the file that holds the tensor.</remarks>
    public abstract IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>The tensors' names, in the order of <see cref="Entries" />.</summary>
    public IEnumerable<string> Names => Entries.Select(entry => entry.Name);

    /// <summary>The file's metadata, or the index's; empty where it has none.</summary>
    public abstract IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a safetensors file, an index of shards, or a folder that holds one or the other.</summary>
    /// <param name="path">
    /// A safetensors file; an index of shards (a name that ends in .json); or a folder, of which model.safetensors is
    /// taken, else model.safetensors.index.json, else the only *.safetensors file.
    /// </param>
    /// <exception cref="FileNotFoundException">
    /// There is no such file, or the folder holds none, or a shard is missing.
    /// </exception>
    /// <exception cref="SafetensorsFormatException">
    /// A file or the index is not valid, or they do not agree with each other.
    /// </exception>
    public static TensorSource Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = Directory.Exists(path) ? CheckpointFolder.Find(path) : path;
        return file.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
            ? ShardedTensors.Open(file)
            : SafetensorsReader.Open(file);
    }

    /// <summary>Finds a tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="entry">Receives its type and shape.</param>
    /// <returns>Whether there is one of that name.</returns>
    public abstract bool TryGetEntry(string name, [NotNullWhen(true)] out SafetensorsEntry? entry);

    /// <summary>Finds a tensor that must be there.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="KeyNotFoundException">There is none of that name; the message lists near names.</exception>
    public SafetensorsEntry GetEntry(string name) =>
        TryGetEntry(name, out var entry)
            ? entry
            : throw new KeyNotFoundException(
                $"no tensor {TensorNames.Quote(name)}; {TensorNames.Hint(name, [.. Names])}"
            );

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
    public abstract Tensor Read(string name);

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
    public abstract void ReadInto(string name, Tensor target);

    /// <summary>
    /// Reads a tensor into one of any dtype and device, converted on the way in pieces of at most 1 MB.
    /// </summary>
    /// <remarks>Autograd does not see the change. Where reading fails midway, the target holds some of the new
    /// elements.</remarks>
    /// <param name="name">Its name.</param>
    /// <param name="target">A contiguous tensor of the file's shape.</param>
    /// <exception cref="KeyNotFoundException">
    /// There is no tensor of that name; the message lists near names.
    /// </exception>
    /// <exception cref="ArgumentException">The target is of another shape, has no data, or is not
    /// contiguous.</exception>
    /// <exception cref="NotSupportedException">libtorch has no tensors of the file's type.</exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public void ConvertInto(string name, Tensor target)
    {
        ArgumentNullException.ThrowIfNull(target);
        var entry = GetEntry(name);
        var dtype =
            entry.DataType.ToScalarType()
            ?? throw new NotSupportedException(
                $"tensor {TensorNames.Quote(name)} is {entry}, which libtorch has no tensors of; it cannot be converted"
            );
        if (!entry.Shape.AsSpan().SequenceEqual(target.shape) || target.is_meta || !target.is_contiguous())
        {
            throw new ArgumentException(
                $"tensor {TensorNames.Quote(name)} is {entry} in the file; the target is "
                    + $"{SafetensorsEntry.ShapeText(target.shape)} and must be contiguous, of the same shape, not meta",
                nameof(target)
            );
        }

        if (target.dtype == dtype && target.device_type == TorchSharp.DeviceType.CPU)
        {
            ReadInto(name, target);
            return;
        }

        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var flat = target.detach().view(-1);
        var elementSize = entry.DataType.BitsPerElement() / 8;
        var count = Math.Min(target.numel(), ConversionBytes / elementSize);
        var piece = empty(count, dtype, CPU);
        for (long start = 0; start < target.numel(); start += count)
        {
            count = Math.Min(count, target.numel() - start);
            using var inner = NewDisposeScope();
            ReadBytes(name, start * elementSize, TensorMemory.Of(piece).ChunkAt(0)[..(int)(count * elementSize)]);
            flat.narrow(0, start, count).copy_(piece.narrow(0, 0, count));
        }
    }

    /// <summary>Reads a tensor's bytes, little-endian and row-major, of any type of the format.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="KeyNotFoundException">
    /// There is no tensor of that name; the message lists near names.
    /// </exception>
    /// <exception cref="NotSupportedException">It is too large for one array; read parts of it.</exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public abstract byte[] ReadBytes(string name);

    /// <summary>Reads a part of a tensor's bytes.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="offset">The first byte, counted from the tensor's begin.</param>
    /// <param name="destination">Is filled.</param>
    /// <exception cref="KeyNotFoundException">
    /// There is no tensor of that name; the message lists near names.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The part is not within the tensor.</exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public abstract void ReadBytes(string name, long offset, Span<byte> destination);

    /// <summary>Maps a tensor's bytes into memory, to read them in place.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The mapping, which the caller owns; it may outlive this object.</returns>
    /// <exception cref="KeyNotFoundException">
    /// There is no tensor of that name; the message lists near names.
    /// </exception>
    /// <exception cref="NotSupportedException">It was opened from a stream that is no file.</exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public abstract MappedTensor Map(string name);

    /// <summary>Closes the files.</summary>
    public abstract void Dispose();
}
