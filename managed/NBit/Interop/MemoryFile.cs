using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace NBit.Interop;

/// <summary>
/// A file that exists in memory only (Linux memfd): nothing is left on a disk, and no directory must be writable.
/// </summary>
internal static partial class MemoryFile
{
    private const uint CloseOnExec = 1; // MFD_CLOEXEC

    /// <summary>Loads a shared library from its bytes.</summary>
    /// <exception cref="DllNotFoundException">The dynamic linker refuses it.</exception>
    public static nint LoadLibrary(string name, byte[] image)
    {
        using var file = new SafeFileHandle(Create(name, CloseOnExec), ownsHandle: true);
        if (file.IsInvalid)
        {
            throw new DllNotFoundException($"no memory file for {name}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        RandomAccess.Write(file, image, fileOffset: 0);
        return NativeLibrary.Load($"/proc/self/fd/{file.DangerousGetHandle()}"); // stays mapped when the file is closed
    }

    [LibraryImport(
        "libc",
        EntryPoint = "memfd_create",
        SetLastError = true,
        StringMarshalling = StringMarshalling.Utf8
    )]
    private static partial int Create(string name, uint flags);
}
