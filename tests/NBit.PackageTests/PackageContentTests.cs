namespace NBit.PackageTests;

/// <summary>What is in the packages.</summary>
public sealed class PackageContentTests
{
    private static readonly string[] Common = ["LICENSE", "README.md", "icon.png"];

    [Test]
    public void NBit_is_one_assembly_with_its_documentation_and_module_initializer() =>
        Assert.That(
            Packages.Files("NBit"),
            Is.EquivalentTo([
                .. Common,
                "NBit.nuspec",
                "lib/net10.0/NBit.dll",
                "lib/net10.0/NBit.xml",
                "buildTransitive/NBit.targets",
                "buildTransitive/NBitModuleInitializer.cs",
            ])
        );

    [Test]
    public void NBit_Native_is_one_assembly_and_one_file_a_native_library() =>
        Assert.That(
            Packages.Files("NBit.Native"),
            Is.EquivalentTo([
                .. Common,
                "NBit.Native.nuspec",
                "lib/net10.0/NBit.Native.dll",
                "lib/net10.0/NBit.Native.xml",
                "runtimes/linux-x64/native/libnbit.so",
                "runtimes/linux-x64/native/libnbit_torch.so",
            ])
        );

    [Test]
    public void The_tool_leaves_libtorch_and_other_platforms_out()
    {
        var files = Packages.Files("NBit.Tool");
        Assert.That(files, Has.None.Contains("torch_cpu").And.None.Contains("runtimes/win"));
        Assert.That(files, Has.Some.EndsWith("runtimes/linux-x64/native/libnbit.so"));
        Assert.That(Common, Is.SubsetOf(files));
    }

    [Test]
    public void NBit_depends_on_TorchSharp_and_on_no_build_of_libtorch()
    {
        var dependencies = Dependencies("NBit");
        Assert.That(dependencies, Does.Contain("TorchSharp").And.Contain("NBit.Native"));
        Assert.That(dependencies, Has.None.Contains("libtorch"));
        Assert.That(Dependencies("NBit.Native"), Is.Empty);
    }

    [TestCase("NBit")]
    [TestCase("NBit.Native")]
    [TestCase("NBit.Tool")]
    public void Packages_say_what_they_are(string id)
    {
        var nuspec = Packages.Nuspec(id);
        string? Value(string name) =>
            nuspec.Elements().SingleOrDefault(element => element.Name.LocalName == name)?.Value;
        Assert.That(Value("version"), Is.EqualTo(Packages.Version));
        Assert.That(Value("license"), Is.EqualTo("MIT"));
        Assert.That(Value("readme"), Is.EqualTo("README.md"));
        Assert.That(Value("icon"), Is.EqualTo("icon.png"));
        Assert.That(Value("description"), Has.Length.GreaterThan(40));
        Assert.That(Packages.Files(id, "snupkg"), Has.Some.EndsWith(".pdb"));
    }

    private static string[] Dependencies(string id) =>
        [
            .. Packages
                .Nuspec(id)
                .Descendants()
                .Where(element => element.Name.LocalName == "dependency")
                .Select(element => element.Attribute("id")!.Value),
        ];
}
