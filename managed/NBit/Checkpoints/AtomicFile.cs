using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace NBit.Checkpoints;

/// <summary>Replaces a file as a whole: readers see the old content or the new, after a crash too.</summary>
/// <remarks>
/// The content goes to a temporary file in the same directory (a rename is atomic only within a file system), then to
/// the disk, then into place. A process that is killed leaves the old file, and a temporary file that nobody reads and
/// no later write meets: its name is random. A symbolic link at the target is replaced, not followed.
/// </remarks>
internal static partial class AtomicFile
{
    /// <summary>How temporary files end; they begin with a dot.</summary>
    public const string TemporaryExtension = ".nbit-tmp";

    private const int ReadOnlyCloseOnExec = 0x80000; // O_RDONLY | O_CLOEXEC

    /// <summary>Writes a file and puts it into place.</summary>
    /// <param name="path">The file, in a directory that exists.</param>
    /// <param name="write">Writes the content; whatever it throws leaves the old file as it was.</param>
    /// <param name="length">
    /// The number of bytes, where it is known: a disk that is too small is then found before writing.
    /// </param>
    /// <exception cref="DirectoryNotFoundException">The directory does not exist.</exception>
    /// <exception cref="IOException">
    /// The path is a directory, or the file cannot be written; the old file is as it was.
    /// </exception>
    public static void Write(string path, Action<Stream> write, long length = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var target = Path.GetFullPath(path);
        var directory = Path.GetDirectoryName(target);
        if (Directory.Exists(target))
        {
            throw new IOException($"'{path}' is a directory; give a file's path");
        }

        if (!Directory.Exists(directory))
        {
            throw new DirectoryNotFoundException(
                $"'{path}' cannot be written: there is no directory '{directory}'; create it first"
            );
        }

        var unique = RandomNumberGenerator.GetHexString(32, lowercase: true);
        var temporary = Path.Combine(directory, $".{unique}{TemporaryExtension}");
        try
        {
            WriteThrough(temporary, target, write, length);
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            TryDelete(temporary);
            throw;
        }

        FlushDirectory(directory);
    }

    private static void WriteThrough(string temporary, string target, Action<Stream> write, long length)
    {
        // Unbuffered, so that closing writes nothing and cannot fail in place of what went wrong before.
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            BufferSize = 0,
            PreallocationSize = length,
        };
        using var stream = new FileStream(temporary, options);
        if (!OperatingSystem.IsWindows() && File.Exists(target))
        {
            File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(target));
        }

        write(stream);
        stream.Flush(flushToDisk: true);
    }

    private static void TryDelete(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // What went wrong before is what the caller must hear of.
        }
    }

    // The rename itself is on the disk only when its directory is (fsync(2)); elsewhere .NET cannot ask for it.
    private static void FlushDirectory(string directory)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using var handle = new SafeFileHandle(Open(directory, ReadOnlyCloseOnExec), ownsHandle: true);
        if (!handle.IsInvalid) // a directory may allow writing without reading
        {
            RandomAccess.FlushToDisk(handle);
        }
    }

    // .NET opens no directories.
    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
