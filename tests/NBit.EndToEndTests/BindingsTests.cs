using System.Diagnostics;
using NBit.Testing;

namespace NBit.EndToEndTests;

/// <summary>The bindings alone, without TorchSharp, and how they find the native library.</summary>
public sealed class BindingsTests
{
    private const string Sample = "NBit.Native.Sample";
    private string _folder = "";

    [SetUp]
    public void CopySample()
    {
        _folder = Directory.CreateTempSubdirectory("nbit-bindings-").FullName;
        var source = ChildProcess.OutputDirectory(Sample);
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(_folder, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void The_sample_casts_without_TorchSharp()
    {
        Assert.That(
            Directory.EnumerateFiles(_folder, "*orch*", SearchOption.AllDirectories).Select(Path.GetFileName),
            Is.EqualTo(new[] { "libnbit_torch.so" })
        );
        var result = Run();
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Output, Does.StartWith("amax 100, scale 4.48").And.Contain("3.14159 -> 0x56 -> 3.125"));
    }

    [Test]
    public void A_missing_library_is_reported_with_every_place_that_was_searched()
    {
        Directory.Delete(Path.Combine(_folder, "runtimes"), recursive: true);
        var result = Run();
        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(
            result.Error,
            Does.Contain("NativeLibraryNotFoundException")
                .And.Contain("libnbit.so could not be loaded. Reference the package NBit.Native")
        );
        Assert.That(result.Error, Does.Contain($"{Path.Combine(_folder, "libnbit.so")}: not there"));
    }

    [Test]
    public void The_environment_variable_names_a_directory()
    {
        var elsewhere = Directory.CreateDirectory(Path.Combine(_folder, "elsewhere")).FullName;
        var library = Directory.EnumerateFiles(_folder, "libnbit.so", SearchOption.AllDirectories).Single();
        File.Move(library, Path.Combine(elsewhere, "libnbit.so"));
        Assert.That(Run().ExitCode, Is.Not.Zero);
        var result = Run(elsewhere);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
    }

    [TestCase(
        "int nbit_version_get(int* a, int* b, int* c) { *a = 99; *b = *c = 0; return 0; }",
        "implements version 99.0.0 of the ABI; this NBit.Native needs major version"
    )]
    [TestCase("int nothing;", "nbit_version_get")]
    public void A_library_that_is_another_one_is_refused(string code, string message)
    {
        var other = Directory.CreateDirectory(Path.Combine(_folder, "other")).FullName;
        File.WriteAllText(Path.Combine(other, "other.c"), code);
        using var compiler = Process.Start(
            "gcc",
            ["-shared", "-fPIC", "-o", Path.Combine(other, "libnbit.so"), Path.Combine(other, "other.c")]
        );
        compiler.WaitForExit();
        Assert.That(compiler.ExitCode, Is.Zero);
        var result = Run(other);
        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Error, Does.Contain(message));
    }

    [Test]
    public void A_file_that_is_no_library_is_passed_over_and_named()
    {
        var broken = Directory.CreateDirectory(Path.Combine(_folder, "broken")).FullName;
        File.WriteAllText(Path.Combine(broken, "libnbit.so"), "this is no library");
        Assert.That(Run(broken).ExitCode, Is.Zero, "the next place has it");
        Directory.Delete(Path.Combine(_folder, "runtimes"), recursive: true);
        Assert.That(Run(broken).Error, Does.Contain("libnbit.so: ").And.Contain(broken));
    }

    private ProcessResult Run(string? nativeDirectory = null) =>
        ChildProcess.Run(
            Sample,
            [],
            nativeDirectory is null
                ? null
                : new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["NBIT_NATIVE_DIRECTORY"] = nativeDirectory,
                },
            _folder
        );
}
