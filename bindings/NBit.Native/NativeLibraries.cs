using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NBit.Native;

/// <summary>
/// Finds libnbit and libnbit_torch. Searched, in this order: <see cref="Directory" />, the directory that the
/// environment variable NBIT_NATIVE_DIRECTORY names, where the runtime looks for native assets of the application's
/// packages, and beside the assembly. Never the current directory.
/// </summary>
public static unsafe class NativeLibraries
{
    private const string EnvironmentVariable = "NBIT_NATIVE_DIRECTORY";
    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, (nint Handle, string Path)> Loaded = new(StringComparer.Ordinal);

    /// <summary>A directory to search first; set it before the first use of NBit.</summary>
    public static string? Directory { get; set; }

    /// <summary>The libraries that are loaded: name and path.</summary>
    public static IReadOnlyDictionary<string, string> Paths
    {
        get
        {
            lock (Gate)
            {
                return Loaded.ToDictionary(
                    library => library.Key,
                    library => library.Value.Path,
                    StringComparer.Ordinal
                );
            }
        }
    }

    /// <summary>Loads a native library of NBit's, or gives the handle of the loaded one.</summary>
    /// <param name="name"><see cref="Libnbit.Library" /> or <see cref="LibnbitTorch.Library" />.</param>
    /// <returns>The operating system's handle.</returns>
    /// <exception cref="NativeLibraryNotFoundException">It was found nowhere, or none of those found could be
    /// loaded.</exception>
    /// <exception cref="NotSupportedException">The one found implements another major version of the ABI.</exception>
    public static nint Load(string name)
    {
        lock (Gate)
        {
            if (!Loaded.TryGetValue(name, out var library))
            {
                library = Search(name);
                if (name == Libnbit.Library)
                {
                    CheckVersion(library.Handle, library.Path);
                }

                Loaded.Add(name, library);
            }

            return library.Handle;
        }
    }

    // P/Invokes of this assembly are bound through this class however they are first reached.
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The resolver must be there before the first P/Invoke binds.")]
    internal static void Register() =>
        NativeLibrary.SetDllImportResolver(
            typeof(NativeLibraries).Assembly,
            static (name, _, _) => name is Libnbit.Library or LibnbitTorch.Library ? Load(name) : 0
        );

    private static (nint Handle, string Path) Search(string name)
    {
        var file =
            OperatingSystem.IsWindows() ? $"{name}.dll"
            : OperatingSystem.IsMacOS() ? $"lib{name}.dylib"
            : $"lib{name}.so";
        var trace = new List<string>();
        foreach (
            var path in Directories()
                .Distinct(StringComparer.Ordinal)
                .Select(directory => Path.Combine(directory, file))
        )
        {
            if (!File.Exists(path))
            {
                trace.Add($"{path}: not there");
                continue;
            }

            try
            {
                return (NativeLibrary.Load(path), path);
            }
            catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
            {
                trace.Add($"{path}: {error.Message.ReplaceLineEndings(" ")}");
            }
        }

        throw new NativeLibraryNotFoundException(
            $"{file} could not be loaded. Reference the package NBit.Native for this platform ({RuntimeInformation.RuntimeIdentifier}), "
                + $"or set {nameof(NativeLibraries)}.{nameof(Directory)} or the environment variable {EnvironmentVariable} to the directory "
                + $"that holds it. Tried:\n  {string.Join("\n  ", trace)}"
        );
    }

    private static IEnumerable<string> Directories()
    {
        if (Directory is { Length: > 0 } chosen)
        {
            yield return Path.GetFullPath(chosen);
        }

        if (Environment.GetEnvironmentVariable(EnvironmentVariable) is { Length: > 0 } variable)
        {
            yield return Path.GetFullPath(variable);
        }

        // What the host found in the application's .deps.json.
        if (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") is string native)
        {
            foreach (var directory in native.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
            {
                yield return directory;
            }
        }

        foreach (var directory in AssemblyDirectories())
        {
            yield return directory;
            yield return Path.Combine(directory, "runtimes", PortableRuntimeIdentifier(), "native");
        }
    }

    [UnconditionalSuppressMessage(
        "SingleFile",
        "IL3000",
        Justification = "Empty in a single file, where the base directory is used."
    )]
    private static IEnumerable<string> AssemblyDirectories()
    {
        if (Path.GetDirectoryName(typeof(NativeLibraries).Assembly.Location) is { Length: > 0 } directory)
        {
            yield return directory;
        }

        yield return AppContext.BaseDirectory;
    }

    private static string PortableRuntimeIdentifier()
    {
        var system =
            OperatingSystem.IsWindows() ? "win"
            : OperatingSystem.IsMacOS() ? "osx"
            : "linux";
        return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
    }

    private static void CheckVersion(nint handle, string path)
    {
        var version = (delegate* unmanaged<int*, int*, int*, int>)
            NativeLibrary.GetExport(handle, nameof(Libnbit.nbit_version_get));
        int major,
            minor,
            patch;
        if (version(&major, &minor, &patch) != 0 || major != (int)nbit_abi_version.NBIT_ABI_VERSION_MAJOR)
        {
            throw new NotSupportedException(
                $"{path} implements version {major}.{minor}.{patch} of the ABI; this NBit.Native needs major version "
                    + $"{(int)nbit_abi_version.NBIT_ABI_VERSION_MAJOR}. Use the library that comes with the package."
            );
        }
    }
}
