using System.Collections.Concurrent;
using System.Text.Json;
using NBit.GoldenTests.Golden;
using NBit.GoldenTests.Precision;
using NBit.Precision;
using NBit.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Float8;

/// <summary>The encoder of golden/precision learns in 8 bits as it does in bfloat16.</summary>
public sealed class EncoderTests
{
    private const int StepCount = 100,
        Window = 20;
    private const double LearningRate = 1e-3;

    private static readonly Float8Recipe[] Recipes =
    [
        new DelayedScaling(),
        new Float8CurrentScaling(),
        new MXFP8BlockScaling(),
        new Float8BlockScaling(),
    ];

    private static readonly ConcurrentDictionary<string, List<double>> Bfloat16 = new(StringComparer.Ordinal);

    // Its runs differ in their optimizers, which are another one here: one is enough.
    private static IEnumerable<TestCaseData> Runs() =>
        from run in GoldenFolder
            .Json("precision/training.json")
            .Properties("runs")
            .Where(run => run.Value.Text("model") == "encoder")
            .Take(1)
        where File.Exists(GoldenFolder.PathOf("precision/training_encoder_data.safetensors"))
        from recipe in Recipes
        select new TestCaseData(run.Value, recipe).SetName($"training encoder in 8 bits {recipe.GetType().Name}");

    [TestCaseSource(nameof(Runs))]
    public void Mean_losses_are_within_2_percent_of_bfloat16(JsonElement run, Float8Recipe recipe)
    {
        var eight = MeanLosses(run, new TransformerEnginePrecision(ScalarType.BFloat16, recipe));
        var sixteen = Bfloat16.GetOrAdd(run.Text("model")!, _ => MeanLosses(run, new HalfPrecision("bf16-true")));
        TestContext.Out.WriteLine($"8 bits: {string.Join(" ", eight)}; bfloat16: {string.Join(" ", sixteen)}");
        foreach (var (actual, expected) in eight.Zip(sixteen))
        {
            Assert.That(actual, Is.EqualTo(expected).Within(2).Percent);
        }

        Assert.That(eight[^1], Is.LessThan(eight[0]));
    }

    private static List<double> MeanLosses(JsonElement run, PrecisionMode mode)
    {
        using var scope = NewDisposeScope();
        using var model = TrainingTests.LoadModel(run, out var inputs, out var targets);
        using var fabric = new Fabric(plugin: mode, accelerator: "cpu");
        using var inner = optim.AdamW(model.parameters(), LearningRate);
        var (net, optimizer) = fabric.Setup(model, inner);
        var losses = new List<double>();
        for (var step = 0; step < StepCount; step++)
        {
            using var stepScope = NewDisposeScope();
            var batch = step % inputs.shape[0];
            optimizer.zero_grad();
            var loss = nn.functional.cross_entropy(net.forward(inputs[batch]), targets[batch]);
            fabric.Backward(loss);
            optimizer.step();
            losses.Add(loss.to(ScalarType.Float64).item<double>());
        }

        return [.. losses.Chunk(Window).Select(window => window.Average())];
    }
}
