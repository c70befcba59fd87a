using System.Text.Json;
using NBit.Testing;

namespace NBit.PackageTests;

/// <summary>The tool, installed from its package.</summary>
public sealed class ToolTests
{
    private string _folder = "";

    private string Tool => Path.Combine(_folder, "nbit");

    [OneTimeSetUp]
    public void Install()
    {
        _folder = Directory.CreateTempSubdirectory("nbit-tool-").FullName;
        var result = Run(
            "dotnet",
            [
                "tool",
                "install",
                "NBit.Tool",
                "--version",
                Packages.Version,
                "--tool-path",
                _folder,
                "--add-source",
                Packages.Folder,
            ]
        );
        Assert.That(result.ExitCode, Is.Zero, result.Output + result.Error);
    }

    [OneTimeTearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void It_finds_its_libraries_and_libtorch()
    {
        var result = Run(Tool, ["info", "--json"]);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        var facts = JsonSerializer.Deserialize<Dictionary<string, string>>(result.Output)!;
        Assert.That(facts["interception"], Is.EqualTo("TorchSharp's linear layers go through NBit"));
        Assert.That(facts["libnbit"], Does.StartWith(_folder));
    }

    [Test]
    public void It_trains()
    {
        var result = Run(Tool, ["demo", "digits", "--mode", "bf16-mixed", "--epochs", "1", "--json"]);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.Contain("bf16-mixed"));
    }

    [Test]
    public void Without_libtorch_it_says_how_to_get_it()
    {
        var nowhere = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["NUGET_PACKAGES"] = Path.Combine(_folder, "no-packages"),
        };
        var result = Run(Tool, ["demo", "digits"], nowhere);
        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(
            result.Error,
            Does.StartWith($"nbit: libtorch {Packages.LibtorchVersion} is in none of: ")
                .And.Contain($"dotnet package download libtorch-cpu-linux-x64@{Packages.LibtorchVersion}")
        );
        Assert.That(Run(Tool, ["--help"], nowhere).ExitCode, Is.Zero);
    }

    private static ProcessResult Run(
        string program,
        string[] arguments,
        IReadOnlyDictionary<string, string>? environment = null
    )
    {
        using var child = new ChildProcess(ChildProcess.StartInfo(program, arguments, environment));
        return child.Wait(TimeSpan.FromMinutes(3));
    }
}
