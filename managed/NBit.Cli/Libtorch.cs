using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using TorchSharp;

namespace NBit.Cli;

/// <summary>
/// Finds libtorch for the tool, whose package does not hold it: libtorch is larger than a package may be, and whoever uses
/// TorchSharp has it.
/// </summary>
internal static class Libtorch
{
    private const string Variable = "NBIT_LIBTORCH_DIRECTORY";

    private static readonly string Version = typeof(Libtorch)
        .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(metadata => metadata.Key == "LibtorchVersion")
        .Value!;

    private static readonly string Package = $"libtorch-cpu-{RuntimeIdentifier}";

    private static string RuntimeIdentifier =>
        OperatingSystem.IsWindows() ? "win-x64"
        : OperatingSystem.IsMacOS() ? "osx-arm64"
        : "linux-x64";

    private static string FileName(string library) =>
        OperatingSystem.IsWindows() ? $"{library}.dll"
        : OperatingSystem.IsMacOS() ? $"lib{library}.dylib"
        : $"lib{library}.so";

    /// <summary>Makes the runtime look here for libtorch where it is not beside the tool.</summary>
    public static void Register() =>
        AssemblyLoadContext.GetLoadContext(typeof(torch).Assembly)!.ResolvingUnmanagedDll += static (_, name) =>
            name is "torch_cpu" or "torch" && Find(name) is { } path ? NativeLibrary.Load(path) : 0;

    /// <summary>Returns if libtorch can be loaded.</summary>
    /// <exception cref="FileNotFoundException">It is nowhere; the message says how to get it.</exception>
    public static void Require()
    {
        if (!NativeLibrary.TryLoad("torch_cpu", typeof(torch).Assembly, searchPath: null, out _))
        {
            throw new FileNotFoundException(
                $"libtorch {Version} is in none of: {string.Join(", ", Directories())}. Get it by `dotnet package download "
                    + $"{Package}@{Version}`, or set {Variable} to the directory of {FileName("torch_cpu")}"
            );
        }
    }

    private static string? Find(string library) =>
        Directories().Select(directory => Path.Combine(directory, FileName(library))).FirstOrDefault(File.Exists);

    private static IEnumerable<string> Directories()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } chosen)
        {
            yield return chosen;
        }

        yield return Path.Combine(Packages(), Package, Version, "runtimes", RuntimeIdentifier, "native");
    }

    // NuGet's global packages folder.
    private static string Packages() =>
        Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } chosen
            ? chosen
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
}
