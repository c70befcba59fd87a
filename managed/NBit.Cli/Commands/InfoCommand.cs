using System.CommandLine;
using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using NBit.Native;
using Spectre.Console;
using TorchSharp;

namespace NBit.Cli.Commands;

/// <summary><c>nbit info</c>: the libraries and where they were found, the CPU, CUDA, versions.</summary>
internal static unsafe class InfoCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON alone" };
        var command = new Command("info", "Show what NBit finds on this machine") { json };
        command.SetAction(parsed => Run(parsed.GetValue(json)));
        return command;
    }

    private static void Run(bool json)
    {
        var facts = Facts().ToList();
        if (json)
        {
            Console.WriteLine(
                JsonSerializer.Serialize(
                    facts.ToDictionary(fact => fact.Name, fact => fact.Value, StringComparer.Ordinal)
                )
            );
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumns("", "");
        facts.ForEach(fact => table.AddRow(Markup.Escape(fact.Name), Markup.Escape(fact.Value)));
        AnsiConsole.Write(table);
    }

    private static IEnumerable<(string Name, string Value)> Facts()
    {
        yield return ("NBit", Version(typeof(NBitRuntime).Assembly));
        yield return (
            ".NET",
            $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription} ({RuntimeInformation.RuntimeIdentifier})"
        );
        yield return ("TorchSharp", Version(typeof(torch).Assembly));
        var joined = Attempt(() =>
        {
            Libtorch.Require();
            NBitRuntime.Initialize();
            return "TorchSharp's linear layers go through NBit";
        });
        yield return ("interception", joined);
        foreach (var (name, path) in NativeLibraries.Paths.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            yield return ($"lib{name}", path);
        }

        yield return ("ABI version", Attempt(AbiVersion));
        foreach (var name in (string[])["libtorch_cpu", "libLibTorchSharp"])
        {
            yield return (name, LoadedPath(name));
        }

        yield return ("CPU features", Attempt(CpuFeatures));
        yield return ("instruction set", Attempt(InstructionSet));
        yield return (
            "threads",
            Attempt(() => $"{torch.get_num_threads()} (libtorch's pool, shared by NBit's kernels)")
        );
        yield return (
            "CUDA",
            Attempt(() =>
                torch.cuda.is_available()
                    ? $"{torch.cuda.device_count()} devices"
                    : "not available in this libtorch or on this machine"
            )
        );
        foreach (
            var (name, library) in ((string, nbit_cuda_library)[])
                [
                    ("CUDA runtime", nbit_cuda_library.NBIT_CUDA_LIBRARY_RUNTIME),
                    ("bitsandbytes", nbit_cuda_library.NBIT_CUDA_LIBRARY_BITSANDBYTES),
                    ("Transformer Engine", nbit_cuda_library.NBIT_CUDA_LIBRARY_TRANSFORMER_ENGINE),
                ]
        )
        {
            yield return (name, Attempt(() => CudaLibraries.Describe(library)));
        }

        yield return ("precisions", string.Join(", ", Precision.PrecisionModes.Names));
    }

    // What cannot be found out is worth showing too.
    private static string Attempt(Func<string> fact)
    {
        try
        {
            return fact();
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return $"failed: {error.Message}";
        }
    }

    private static string AbiVersion()
    {
        int major,
            minor,
            patch;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_version_get(&major, &minor, &patch));
        return $"{major}.{minor}.{patch}";
    }

    private static string CpuFeatures()
    {
        byte* features;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_cpu_describe(&features));
        return Marshal.PtrToStringUTF8((nint)features)!;
    }

    private static string InstructionSet()
    {
        int best,
            chosen;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_instruction_set_detect(&best));
        NativeStatus.ThrowIfFailed(Libnbit.nbit_instruction_set_get(&chosen));
        return best == chosen ? Name(chosen) : $"{Name(chosen)} (chosen by NBIT_ISA; the best is {Name(best)})";

        static string Name(int which) => ((nbit_instruction_set)which).ToString().Split('_')[^1].ToLowerInvariant();
    }

    private static string LoadedPath(string name) =>
        Process
            .GetCurrentProcess()
            .Modules.Cast<ProcessModule>()
            .FirstOrDefault(module => module.ModuleName.Contains(name, StringComparison.Ordinal))
            ?.FileName
        ?? "not loaded";

    private static string Version(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? $"{assembly.GetName().Version}";
}
