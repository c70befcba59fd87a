using System.Text;

namespace NBit.Native;

/// <summary>
/// The libraries that CUDA contexts use: the CUDA runtime, bitsandbytes and Transformer Engine. Each is opened when it
/// is first needed, from the path set here, from the one that an environment variable names
/// (NBIT_CUDA_RUNTIME_LIBRARY, NBIT_BITSANDBYTES_LIBRARY, NBIT_TRANSFORMER_ENGINE_LIBRARY), or else beside libnbit and
/// in the Python environments of VIRTUAL_ENV and CONDA_PREFIX. Never from the current directory.
/// </summary>
public static unsafe class CudaLibraries
{
    private const int MostBytes = 16 << 10;

    /// <summary>Says where a library is, instead of having it searched.</summary>
    /// <param name="library">Which one.</param>
    /// <param name="path">The library file; a relative path is taken from the current directory now.</param>
    /// <exception cref="InvalidOperationException">The library is open already.</exception>
    public static void SetPath(nbit_cuda_library library, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        fixed (byte* bytes = Encoding.UTF8.GetBytes(Path.GetFullPath(path) + '\0'))
        {
            NativeStatus.ThrowIfFailed(Libnbit.nbit_cuda_set_library((int)library, bytes));
        }
    }

    /// <summary>Opens a library if it is there.</summary>
    /// <param name="library">Which one.</param>
    /// <returns>Its path, version and functions and what it is used for, or why it is not used.</returns>
    public static string Describe(nbit_cuda_library library)
    {
        var text = new byte[MostBytes];
        fixed (byte* bytes = text)
        {
            NativeStatus.ThrowIfFailed(Libnbit.nbit_cuda_describe((int)library, bytes, MostBytes));
        }

        return Encoding.UTF8.GetString(text, 0, Array.IndexOf(text, (byte)0));
    }
}
