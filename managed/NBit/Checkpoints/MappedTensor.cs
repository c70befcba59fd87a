using System.IO.MemoryMappedFiles;

namespace NBit.Checkpoints;

/// <summary>One tensor's bytes in a file, mapped into memory: read in place, without a copy.</summary>
/// <remarks>
/// The pages are the page cache's. They are read from the disk when they are touched, and the system takes them back
/// when it needs room: the process's own (anonymous) memory does not grow. A file that another program cuts while its
/// mapped bytes are read ends the process (SIGBUS, mmap(2)): every call checks the file's length, so only a cut in
/// between does. Where that can happen, <see cref="TensorSource.ReadBytes(string, long, Span{byte})" /> is the safe
/// way.
/// </remarks>
public sealed unsafe class MappedTensor : IDisposable
{
    private readonly SafetensorsReader _reader;
    private readonly MemoryMappedFile? _file; // null for a tensor without bytes: there is nothing to map
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _address;

    internal MappedTensor(SafetensorsReader reader, SafetensorsEntry entry, ByteSource bytes, long position)
    {
        Entry = entry;
        _reader = reader;
        if (entry.ByteCount == 0)
        {
            return;
        }

        _file = MemoryMappedFile.CreateFromFile(
            bytes.Handle!,
            mapName: null,
            capacity: 0,
            MemoryMappedFileAccess.Read,
            HandleInheritability.None,
            leaveOpen: true
        );
        try
        {
            _view = _file.CreateViewAccessor(position, entry.ByteCount, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _address);
            _address += _view.PointerOffset; // a view begins at a page
        }
        catch
        {
            _view?.Dispose();
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Name, type and shape.</summary>
    public SafetensorsEntry Entry { get; }

    /// <summary>The number of bytes.</summary>
    public long Length => Entry.ByteCount;

    /// <summary>A part of the bytes, little-endian and row-major; valid until <see cref="Dispose" />.</summary>
    /// <param name="offset">The first byte, counted from the tensor's begin.</param>
    /// <param name="length">The number of bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not within the tensor.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public ReadOnlySpan<byte> Slice(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        SafetensorsReader.CheckPart(Entry, offset, length);
        if (length == 0)
        {
            return [];
        }

        ObjectDisposedException.ThrowIf(_address is null, this);
        _reader.CheckStillThere(Entry);
        return new(_address + offset, length);
    }

    /// <summary>Copies a part of the bytes.</summary>
    /// <param name="offset">The first byte, counted from the tensor's begin.</param>
    /// <param name="destination">Is filled.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not within the tensor.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    /// <exception cref="SafetensorsFormatException">The file has been cut since it was opened.</exception>
    public void CopyTo(long offset, Span<byte> destination) => Slice(offset, destination.Length).CopyTo(destination);

    /// <summary>Ends the mapping.</summary>
    public void Dispose()
    {
        if (_address is not null)
        {
            _address = null;
            _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        }

        _view?.Dispose();
        _file?.Dispose();
    }
}
