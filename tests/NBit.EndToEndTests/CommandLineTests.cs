using System.Text.Json;
using NBit.Testing;

namespace NBit.EndToEndTests;

/// <summary>The nbit tool as a person runs it.</summary>
public sealed class CommandLineTests
{
    private const string Tool = "NBit.Cli";

    [Test]
    public void The_digits_demonstration_reaches_97_percent_and_every_mode_is_within_a_point()
    {
        var plot = Path.Combine(Path.GetTempPath(), $"nbit-{Guid.NewGuid():N}.png");
        var result = ChildProcess.Run(Tool, ["demo", "digits", "--json", "--plot", plot]);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        var rows = JsonDocument
            .Parse(result.Output)
            .RootElement.EnumerateArray()
            .ToDictionary(row => row.GetProperty("mode").GetString()!, StringComparer.Ordinal);
        Assert.That(
            rows.Keys,
            Is.SupersetOf(new[] { "32-true", "64-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true" })
        );
        var single = rows["32-true"].GetProperty("test_accuracy").GetDouble();
        Assert.That(single, Is.GreaterThanOrEqualTo(0.97));
        foreach (var (mode, row) in rows)
        {
            Assert.That(
                row.EnumerateObject().Select(field => field.Name),
                Is.EquivalentTo(
                    new[]
                    {
                        "mode",
                        "optimizer",
                        "test_accuracy",
                        "final_loss",
                        "weight_bytes",
                        "optimizer_bytes",
                        "samples_per_second",
                    }
                )
            );
            Assert.That(row.GetProperty("test_accuracy").GetDouble(), Is.EqualTo(single).Within(0.01), mode);
            Assert.That(row.GetProperty("final_loss").GetDouble(), Is.LessThan(0.1), mode);
            Assert.That(row.GetProperty("samples_per_second").GetDouble(), Is.GreaterThan(100), mode);
        }

        var bytes = rows["32-true"].GetProperty("weight_bytes").GetInt64();
        Assert.That(rows["bf16-true"].GetProperty("weight_bytes").GetInt64(), Is.EqualTo(bytes / 2));
        Assert.That(rows["64-true"].GetProperty("weight_bytes").GetInt64(), Is.EqualTo(bytes * 2));
        Assert.That(
            rows["32-true"].GetProperty("optimizer_bytes").GetInt64(),
            Is.EqualTo(bytes * 2),
            "AdamW keeps two numbers a weight"
        );
        Assert.That(File.ReadAllBytes(plot).Take(4), Is.EqualTo(new byte[] { 0x89, 0x50, 0x4e, 0x47 }), "a PNG");
        File.Delete(plot);
    }

    [Test]
    public void The_digits_demonstration_compares_optimizers()
    {
        var plot = Path.Combine(Path.GetTempPath(), $"nbit-{Guid.NewGuid():N}.png");
        var result = ChildProcess.Run(
            Tool,
            ["demo", "digits", "--json", "--plot", plot, "--mode", "32-true", "--optimizer", "adam32bit", "adam8bit"]
        );
        File.Delete(plot);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        var rows = JsonDocument
            .Parse(result.Output)
            .RootElement.EnumerateArray()
            .ToDictionary(row => row.GetProperty("optimizer").GetString()!, StringComparer.Ordinal);
        Assert.That(rows.Keys, Is.EqualTo(new[] { "adam32bit", "adam8bit" }));
        Assert.That(
            rows.Values.Select(row => row.GetProperty("test_accuracy").GetDouble()),
            Is.All.GreaterThanOrEqualTo(0.97)
        );
        Assert.That(
            rows["adam8bit"].GetProperty("optimizer_bytes").GetInt64(),
            Is.LessThan(rows["adam32bit"].GetProperty("optimizer_bytes").GetInt64() / 3)
        );
    }

    [TestCase("transformer-engine")]
    [TestCase("transformer-engine-float16")]
    public void The_digits_demonstration_draws_scales(string mode)
    {
        const int Epochs = 2,
            Steps = 2 * 23; // batches of 64 of 1,438 digits
        var folder = Directory.CreateTempSubdirectory("nbit-");
        var (plot, scales) = (Path.Combine(folder.FullName, "loss.png"), Path.Combine(folder.FullName, "scales.png"));
        var result = ChildProcess.Run(
            Tool,
            ["demo", "digits", "--mode", mode, "--epochs", $"{Epochs}", "--plot", plot, "--scales", scales]
        );
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Assert.That(result.Error, Does.Contain(scales));
        var picture = File.ReadAllBytes(scales);
        Assert.That(picture.Take(4), Is.EqualTo(new byte[] { 0x89, 0x50, 0x4e, 0x47 }), "a PNG");
        Assert.That(picture, Has.Length.GreaterThan(10_000), "lines and titles, not an empty picture");
        var numbers = JsonDocument
            .Parse(File.ReadAllText(Path.ChangeExtension(scales, ".json")))
            .RootElement.GetProperty("tensors")
            .EnumerateArray()
            .ToDictionary(
                curve => curve.GetProperty("tensor").GetString()!,
                curve => (Scale: Numbers(curve, "scale"), Amax: Numbers(curve, "amax")),
                StringComparer.Ordinal
            );
        folder.Delete(recursive: true);
        Assert.That(numbers.Keys, Is.EqualTo(new[] { "input", "weight", "gradient" }));
        foreach (var (name, (scale, amax)) in numbers)
        {
            Assert.That((scale.Length, amax.Length), Is.EqualTo((Steps, Steps)), name);
            Assert.That(amax, Is.All.GreaterThan(0), name);
            var maximum = name == "gradient" ? 57344f : 448f;
            // A history of 1024 steps holds them all: the scale is of the largest amax so far.
            Assert.That(
                scale,
                Is.EqualTo(amax.Select((_, step) => maximum / amax.Take(step + 1).Max())).Within(1e-6).Percent,
                name
            );
        }

        static float[] Numbers(JsonElement curve, string name) =>
            [.. curve.GetProperty(name).EnumerateArray().Select(number => number.GetSingle())];
    }

    [Test]
    public void Info_names_the_libraries_and_the_instruction_set()
    {
        var result = ChildProcess.Run(Tool, ["info", "--json"]);
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        var facts = JsonDocument
            .Parse(result.Output)
            .RootElement.EnumerateObject()
            .ToDictionary(fact => fact.Name, fact => fact.Value.GetString()!, StringComparer.Ordinal);
        Assert.That(File.Exists(facts["libnbit"]) && File.Exists(facts["libnbit_torch"]), Is.True);
        Assert.That(facts["interception"], Is.EqualTo("TorchSharp's linear layers go through NBit"));
        Assert.That(facts["instruction set"], Does.Match("^(scalar|avx2|avx512|avx512bf16)"));
        Assert.That(facts["libtorch_cpu"], Does.Contain("libtorch_cpu"));
    }

    [TestCase("scalar", "scalar (chosen by NBIT_ISA")]
    [TestCase(
        "sse9",
        "failed: the environment variable NBIT_ISA is 'sse9'; allowed are scalar, avx2, avx512 and avx512bf16"
    )]
    public void Info_says_what_NBIT_ISA_does(string value, string expected)
    {
        var result = ChildProcess.Run(
            Tool,
            ["info", "--json"],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["NBIT_ISA"] = value }
        );
        Assert.That(
            JsonDocument.Parse(result.Output).RootElement.GetProperty("instruction set").GetString(),
            Does.StartWith(expected)
        );
    }

    [TestCase("demo digits --mode fp12", "fp12")]
    [TestCase("demo digits --scales scales.png", "given are 0 modes")]
    [TestCase("demo digits --scales scales.png --mode bf16-true", "one --mode of transformer-engine")]
    [TestCase(
        "demo digits --scales a.png --mode transformer-engine transformer-engine-float16",
        "given are 2 modes (transformer-engine, transformer-engine-float16)"
    )]
    [TestCase("demo letters", "letters")]
    [TestCase("demo digits --optimizer adam7bit", "adam7bit")]
    [TestCase("demo digits --epochs many", "many")]
    public void A_wrong_argument_is_named_and_fails(string arguments, string named)
    {
        var result = ChildProcess.Run(Tool, arguments.Split(' '));
        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Error, Does.Contain(named));
    }
}
