using Microsoft.Win32.SafeHandles;

namespace NBit.Checkpoints;

/// <summary>Bytes at positions, of a file or a stream; several threads may read at once.</summary>
internal abstract class ByteSource : IDisposable
{
    /// <summary>The file's full path; null where the bytes come from no file.</summary>
    public abstract string? Name { get; }

    /// <summary>How many there are now: a file may have been cut since it was opened.</summary>
    public abstract long Length { get; }

    /// <summary>The file to map; null where there is none.</summary>
    public virtual SafeFileHandle? Handle => null;

    /// <summary>Reads from a position on.</summary>
    /// <returns>The number of bytes read: fewer than the destination takes only where the source ends.</returns>
    public abstract int Read(long position, Span<byte> destination);

    public abstract void Dispose();
}

/// <summary>A file's bytes, read where they lie (pread): there is no position to share and no buffer.</summary>
internal sealed class FileBytes(string path) : ByteSource
{
    // Others may replace the file meanwhile: this one stays readable.
    private readonly SafeFileHandle _handle = File.OpenHandle(
        path,
        FileMode.Open,
        FileAccess.Read,
        FileShare.Read | FileShare.Delete
    );

    public override string Name { get; } = Path.GetFullPath(path);

    public override long Length => RandomAccess.GetLength(_handle);

    public override SafeFileHandle Handle => _handle;

    public override int Read(long position, Span<byte> destination)
    {
        var total = 0;
        while (total < destination.Length)
        {
            var count = RandomAccess.Read(_handle, destination[total..], position + total);
            if (count == 0)
            {
                break;
            }

            total += count;
        }

        return total;
    }

    public override void Dispose() => _handle.Dispose();
}

/// <summary>A stream's bytes; it has one position, so one thread reads at a time.</summary>
internal sealed class StreamBytes(Stream stream, bool leaveOpen) : ByteSource
{
    private readonly Lock _lock = new();

    public override string? Name => (stream as FileStream)?.Name;

    public override long Length => stream.Length;

    public override SafeFileHandle? Handle => (stream as FileStream)?.SafeFileHandle;

    public override int Read(long position, Span<byte> destination)
    {
        lock (_lock)
        {
            stream.Position = position;
            return stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        }
    }

    public override void Dispose()
    {
        if (!leaveOpen)
        {
            stream.Dispose();
        }
    }
}
