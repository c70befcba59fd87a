namespace NBit.PackageTests;

/// <summary>Programs that get NBit from the packages.</summary>
public sealed class ConsumerTests
{
    // NBit is not initialized by hand: the package's module initializer does it.
    private const string TorchSharpProgram = """
        using NBit.Precision;
        using NBit.Training;
        using TorchSharp;
        using static TorchSharp.torch;

        var model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10));
        new BitsandbytesPrecision("nf4-dq", dtype: ScalarType.Float32).ConvertModule(model);
        using var y = model.forward(ones(3, 64));
        var packed = ((TorchSharp.Modules.Linear)model[0]).weight;
        Console.WriteLine($"{packed.dtype} [{string.Join(", ", packed.shape)}] -> {y.dtype} [{string.Join(", ", y.shape)}]");

        using var fabric = new Fabric(precision: "bf16-mixed");
        var layer = nn.Linear(4, 2);
        var (net, optimizer) = fabric.Setup(layer, optim.AdamW(layer.parameters(), lr: 1e-3));
        using var loss = net.forward(ones(1, 4)).sum();
        fabric.Backward(loss);
        optimizer.step();
        Console.WriteLine(loss.dtype);
        """;

    [Test]
    public void A_TorchSharp_program_needs_the_package_and_a_libtorch()
    {
        using var project = new ConsumerProject(
            TorchSharpProgram,
            ("NBit", Packages.Version),
            ("libtorch-cpu-linux-x64", Packages.LibtorchVersion)
        );
        var output = project.Dotnet("run", "-c", "Release");
        Assert.That(output, Does.Contain("Byte [1024, 1] -> Float32 [3, 10]").And.Contain("Float32"));
    }

    [Test]
    public void The_bindings_work_without_TorchSharp()
    {
        using var project = Bindings();
        Assert.That(project.Dotnet("run", "-c", "Release").Trim(), Is.EqualTo("30B845"));
        Assert.That(
            project.Files("bin").Where(file => file.Contains("orch", StringComparison.Ordinal)),
            Is.All.EqualTo("libnbit_torch.so")
        );
    }

    [Test]
    public void The_bindings_can_be_compiled_ahead_of_time()
    {
        using var project = Bindings();
        // Warnings of the compiler would be errors.
        project.Dotnet("publish", "-r", "linux-x64", "-o", "out", "-p:PublishAot=true", "-p:CppCompilerAndLinker=gcc");
        Assert.That(project.Files("out"), Has.None.EndsWith(".dll"));
        Assert.That(project.Run(project.At("out", "Consumer")).Trim(), Is.EqualTo("30B845"));
    }

    private static ConsumerProject Bindings() =>
        new(Packages.FirstExample("bindings/NBit.Native/README.md"), ("NBit.Native", Packages.Version));
}
