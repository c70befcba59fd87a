using System.Diagnostics;

namespace NBit.Testing;

/// <summary>A program in a process of its own.</summary>
public sealed class ChildProcess : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _output,
        _error;

    /// <summary>Starts any program.</summary>
    /// <param name="start">The program, its arguments and environment.</param>
    public ChildProcess(ProcessStartInfo start)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        _process = Process.Start(start)!;
        (_output, _error) = (_process.StandardOutput.ReadToEndAsync(), _process.StandardError.ReadToEndAsync());
    }

    /// <summary>Starts a program of this repository.</summary>
    /// <param name="project">The project's name; its build output is found beside that of the tests.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Environment variables to set.</param>
    /// <param name="directory">Where its assembly is, if not in its build output.</param>
    public ChildProcess(
        string project,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null,
        string? directory = null
    )
        : this(
            StartInfo(
                "dotnet",
                arguments.Prepend(Path.Combine(directory ?? OutputDirectory(project), $"{project}.dll")),
                environment
            )
        ) { }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>How to start a program.</summary>
    /// <param name="program">Its name or path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">Environment variables to set.</param>
    /// <param name="directory">The directory that it starts in, if not this process's.</param>
    public static ProcessStartInfo StartInfo(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null,
        string? directory = null
    )
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = directory ?? "" };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>(StringComparer.Ordinal))
        {
            start.Environment[name] = value;
        }

        return start;
    }

    /// <summary>The build output of a project, in the configuration that the tests were built in.</summary>
    public static string OutputDirectory(string project)
    {
        var configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        return Path.Combine(Repository.Root, "artifacts", "bin", project, configuration);
    }

    /// <summary>Starts a program and waits for its end.</summary>
    public static ProcessResult Run(
        string project,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null,
        string? directory = null
    )
    {
        using var child = new ChildProcess(project, arguments, environment, directory);
        return child.Wait(TimeSpan.FromMinutes(3));
    }

    /// <summary>Waits for the end.</summary>
    /// <exception cref="TimeoutException">It did not come; the process was killed.</exception>
    public ProcessResult Wait(TimeSpan limit)
    {
        if (!_process.WaitForExit(limit))
        {
            Kill();
            throw new TimeoutException(
                $"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)} did not end within {limit}"
            );
        }

        return new ProcessResult(_process.ExitCode, _output.GetAwaiter().GetResult(), _error.GetAwaiter().GetResult());
    }

    /// <summary>Ends the process as the operating system does (SIGKILL): it cannot do anything about it.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
    }
}

/// <summary>How a process ended.</summary>
public sealed record ProcessResult(int ExitCode, string Output, string Error);
