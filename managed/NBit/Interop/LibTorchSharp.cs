using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text.RegularExpressions;
using NBit.Logging;

namespace NBit.Interop;

/// <summary>
/// Loads TorchSharp's native library, also where it does not load by itself: TorchSharp 0.107 asks for GLIBCXX_3.4.32
/// (gcc 13), which Debian 12 and Ubuntu 22.04 lack. It does so by a version tag alone, without using a symbol of that
/// version, so a copy in which that tag is marked optional works there.
/// </summary>
internal static partial class LibTorchSharp
{
    public const string Name = "LibTorchSharp";

    private const string FileName = $"lib{Name}.so";
    private static readonly Lock Gate = new();
    private static nint _copy;

    /// <summary>TorchSharp's managed assembly.</summary>
    public static Assembly Assembly { get; } = typeof(TorchSharp.torch).Assembly;

    /// <summary>Loads the library as TorchSharp does, or gives the handle of the loaded one.</summary>
    /// <exception cref="DllNotFoundException">It is not there, or does not load.</exception>
    public static nint Load() => NativeLibrary.Load(Name, Assembly, searchPath: null);

    /// <summary>Makes the runtime ask here where the plain load of the library fails.</summary>
    public static void RegisterFallback()
    {
        if (OperatingSystem.IsLinux())
        {
            AssemblyLoadContext.GetLoadContext(Assembly)!.ResolvingUnmanagedDll += static (_, name) =>
                name == Name ? LoadCopy() : 0;
        }
    }

    private static nint LoadCopy()
    {
        lock (Gate)
        {
            if (
                _copy == 0
                && Directories().Select(directory => Path.Combine(directory, FileName)).FirstOrDefault(File.Exists)
                    is { } path
            )
            {
                _copy = TryLoadCopy(path);
            }

            return _copy;
        }
    }

    private static nint TryLoadCopy(string path)
    {
        // What the library needs is found by name among the loaded libraries: a copy in memory has no neighbours.
        foreach (var dependency in (string[])["torch_cpu", "torch"])
        {
            NativeLibrary.TryLoad(dependency, Assembly, searchPath: null, out _);
        }

        byte[]? image = null;
        var versions = new List<string>();
        for (; ; )
        {
            try
            {
                var handle = image is null ? NativeLibrary.Load(path) : MemoryFile.LoadLibrary(FileName, image);
                if (versions.Count > 0)
                {
                    Log.Information(
                        $"{path} asks for {string.Join(", ", versions)}, which this system's libstdc++ lacks and the library "
                            + "does not use; NBit loaded a copy in memory without that demand"
                    );
                }

                return handle;
            }
            catch (DllNotFoundException error)
            {
                image ??= File.ReadAllBytes(path);
                if (
                    MissingVersion().Match(error.Message) is not { Success: true } match
                    || !ElfVersions.MakeOptional(image, match.Groups["version"].Value)
                )
                {
                    return 0; // some other fault: TorchSharp reports it
                }

                versions.Add(match.Groups["version"].Value);
            }
        }
    }

    private static IEnumerable<string> Directories()
    {
        var native = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        var beside = Path.GetDirectoryName(Assembly.Location) is { Length: > 0 } directory
            ? directory
            : AppContext.BaseDirectory;
        return native
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(beside)
            .Append(Path.Combine(beside, "runtimes", "linux-x64", "native"));
    }

    [GeneratedRegex(
        @"version `(?<version>GLIBCXX_[0-9.]+)' not found",
        RegexOptions.CultureInvariant,
        matchTimeoutMilliseconds: 1000
    )]
    private static partial Regex MissingVersion();
}
