using System.Runtime.InteropServices;
using System.Text;

namespace NBit.Testing;

/// <summary>
/// Reads which operators libtorch knows. It has no C interface for that: this is the C++ one, as gcc names and lays it
/// out, so on Linux only.
/// </summary>
public static unsafe partial class OperatorRegistry
{
    /// <summary>The operators that have a kernel of their own for a dispatch key, as aten::name.overload.</summary>
    /// <param name="dispatchKey">The key as c10 names it: AutocastCPU.</param>
    public static IReadOnlyList<string> WithKernelFor(string dispatchKey)
    {
        Vector names;
        GetAllOpNamesForDispatchKey(&names, RealSingleton(), Number(dispatchKey));
        var result = new List<string>();
        for (var name = names.Begin; name < names.End; name++)
        {
            var overload = name->Overload.Take();
            result.Add(overload.Length == 0 ? name->Name.Take() : $"{name->Name.Take()}.{overload}");
        }

        NativeMemory.Free(names.Begin); // operator new is malloc
        return result;
    }

    private static ushort Number(string dispatchKey)
    {
        const ushort limit = 256;
        for (ushort key = 0; key < limit; key++)
        {
            if (Marshal.PtrToStringUTF8(ToString(key)) == dispatchKey)
            {
                return key;
            }
        }

        throw new ArgumentException($"libtorch has no dispatch key '{dispatchKey}'", nameof(dispatchKey));
    }

    // c10::toString(DispatchKey)
    [LibraryImport("c10", EntryPoint = "_ZN3c108toStringENS_11DispatchKeyE")]
    private static partial nint ToString(ushort dispatchKey);

    // c10::Dispatcher::realSingleton()
    [LibraryImport("torch_cpu", EntryPoint = "_ZN3c1010Dispatcher13realSingletonEv")]
    private static partial nint RealSingleton();

    // std::vector<c10::OperatorName> c10::Dispatcher::getAllOpNamesForDispatchKey(DispatchKey), which returns in memory
    [LibraryImport("torch_cpu", EntryPoint = "_ZN3c1010Dispatcher27getAllOpNamesForDispatchKeyENS_11DispatchKeyE")]
    private static partial void GetAllOpNamesForDispatchKey(Vector* result, nint dispatcher, ushort dispatchKey);

    // std::vector<c10::OperatorName>
    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        public OperatorName* Begin,
            End,
            Capacity;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct OperatorName
    {
        public Text Name,
            Overload;
    }

    // std::string, with room for 15 characters inside
    [StructLayout(LayoutKind.Sequential)]
    private struct Text
    {
        private byte* _characters;
        private nuint _length;
        private fixed byte _inside[16];

        /// <summary>Copies the text and frees it.</summary>
        public string Take()
        {
            var text = Encoding.UTF8.GetString(_characters, (int)_length);
            fixed (byte* inside = _inside)
            {
                if (_characters != inside)
                {
                    NativeMemory.Free(_characters);
                }
            }

            return text;
        }
    }
}
