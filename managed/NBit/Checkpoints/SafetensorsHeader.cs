using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace NBit.Checkpoints;

/// <summary>The header of a safetensors file: which tensors it holds, where, and its metadata.</summary>
/// <remarks>
/// A file is the header's length (8 bytes, little-endian), the header (JSON), and the tensors' bytes one after the
/// other. A header that exists is valid: it agrees with itself and with the amount of data. Two rules are stricter than
/// the reference implementation's, as the format's description demands or libtorch needs: no key may appear twice, and
/// a shape's product without its zeros must be below 2^63.
/// </remarks>
public sealed class SafetensorsHeader
{
    /// <summary>The longest header allowed, in bytes; the reference implementation has the same limit.</summary>
    public const int MaxLength = 100_000_000;

    /// <summary>The key in the JSON that is no tensor.</summary>
    internal const string MetadataKey = "__metadata__";

    /// <summary>The bytes of the length in front of the JSON.</summary>
    internal const int PrefixLength = sizeof(ulong);

    private readonly IReadOnlyDictionary<string, SafetensorsEntry> _byName;

    internal SafetensorsHeader(
        IReadOnlyList<SafetensorsEntry> entries,
        IReadOnlyDictionary<string, SafetensorsEntry> byName,
        IReadOnlyDictionary<string, string> metadata,
        int jsonLength,
        long dataLength
    )
    {
        Entries = entries;
        _byName = byName;
        Metadata = metadata;
        DataOffset = PrefixLength + jsonLength;
        DataLength = dataLength;
    }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>The file's metadata in its order; empty where it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Where the data begins in the file, in bytes.</summary>
    public long DataOffset { get; }

    /// <summary>The data's length in bytes: all tensors together.</summary>
    public long DataLength { get; }

    /// <summary>Finds a tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="entry">Receives what the header says of it.</param>
    /// <returns>Whether there is one of that name.</returns>
    public bool TryGetEntry(string name, [NotNullWhen(true)] out SafetensorsEntry? entry) =>
        _byName.TryGetValue(name, out entry);

    /// <summary>Finds a tensor that must be there.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="KeyNotFoundException">There is none of that name; the message lists near names.</exception>
    public SafetensorsEntry GetEntry(string name) =>
        TryGetEntry(name, out var entry)
            ? entry
            : throw new KeyNotFoundException(
                $"no tensor {TensorNames.Quote(name)}; {TensorNames.Hint(name, [.. _byName.Keys])}"
            );

    /// <summary>Parses a header and checks it against the amount of data.</summary>
    /// <param name="json">The header without its length, with its padding.</param>
    /// <param name="dataLength">The number of bytes that follow it in the file.</param>
    /// <param name="file">The file's name for messages.</param>
    /// <exception cref="SafetensorsFormatException">
    /// The header is not valid, or is not one of that many bytes of data.
    /// </exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataLength, string? file = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(dataLength);
        return SafetensorsHeaderParser.Parse(json, dataLength, file);
    }

    /// <summary>Reads and checks the header of a file; the data is not read.</summary>
    /// <param name="stream">The whole file; it is left at the begin of the data.</param>
    /// <exception cref="ArgumentException">The stream cannot be read, or has no length.</exception>
    /// <exception cref="SafetensorsFormatException">The file is not a valid safetensors file.</exception>
    public static SafetensorsHeader Read(Stream stream)
    {
        CheckStream(stream);
        using var bytes = new StreamBytes(stream, leaveOpen: true);
        return Read(bytes);
    }

    /// <exception cref="ArgumentException">The stream cannot be read, or has no length.</exception>
    internal static void CheckStream(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead || !stream.CanSeek)
        {
            throw new ArgumentException(
                "a safetensors file is read from a stream that can be read and can seek; copy this one to a file or a "
                    + "MemoryStream",
                nameof(stream)
            );
        }
    }

    /// <summary>Reads and checks the header of a file; the data is not read.</summary>
    /// <exception cref="SafetensorsFormatException">The file is not a valid safetensors file.</exception>
    internal static SafetensorsHeader Read(ByteSource bytes)
    {
        var fileLength = bytes.Length;
        var json = new byte[ReadLength(bytes, fileLength)];
        var count = bytes.Read(PrefixLength, json);
        return count == json.Length
            ? Parse(json, fileLength - PrefixLength - json.Length, bytes.Name)
            : throw SafetensorsFormatException.At(
                bytes.Name,
                $"byte {PrefixLength + count}",
                $"the header of {json.Length} bytes ends here: the file was just cut"
            );
    }

    // All checks come before anything is allocated: a claim costs nothing.
    private static int ReadLength(ByteSource bytes, long fileLength)
    {
        Span<byte> prefix = stackalloc byte[PrefixLength];
        if (bytes.Read(0, prefix) < PrefixLength)
        {
            throw Error($"the file has {fileLength} bytes; it must begin with {PrefixLength} bytes of header length");
        }

        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxLength)
        {
            throw Error($"the header's length is {length}; at most {MaxLength} is allowed: no safetensors file");
        }

        var available = fileLength - PrefixLength;
        return (long)length <= available
            ? (int)length
            : throw Error($"the header's length is {length}, but only {available} bytes follow: the file is truncated");

        SafetensorsFormatException Error(string problem) =>
            SafetensorsFormatException.At(bytes.Name, "byte 0", problem);
    }
}
