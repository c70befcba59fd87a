using System.Text.Json;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>precision/bnb.json: which layer becomes what, by mode and ignored modules, and what a forward
/// gives.</summary>
public sealed class BitsandbytesLayerTests
{
    private static readonly JsonElement Recorded = BitsandbytesRecording.Json;

    private static IEnumerable<TestCaseData> Conversions() =>
        Recorded
            .Properties("layers")
            .Select(entry => new TestCaseData(entry.Name, entry.Value).SetName($"bitsandbytes layers {entry.Name}"));

    private static IEnumerable<TestCaseData> Forwards() =>
        Recorded
            .Properties("forward")
            .Select(entry => new TestCaseData(entry.Name, entry.Value).SetName($"bitsandbytes forward {entry.Name}"));

    // "mlp/nf4/ignore=['fc1', 'head']"
    [TestCaseSource(nameof(Conversions))]
    public void A_model_is_converted(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        var parts = name.Split('/', 3);
        var mode = new BitsandbytesPrecision(parts[1], ignoreModules: Ignored(parts[2]));
        using var model = BitsandbytesRecording.LoadModel(parts[0]);
        var before = model.named_modules().ToList();

        mode.ConvertModule(model);

        var path = $"layers/{name}";
        Assert.That(
            mode.DataType.Name(),
            Is.EqualTo(
                BitsandbytesRecording.Expected(
                    $"{path}/dtype_chosen_without_cuda",
                    expected.Get("dtype_chosen_without_cuda")
                )
            )
        );
        Assert.That(model.named_modules(), Is.EqualTo(before), "the objects and names stay");
        var layers = BitsandbytesRecording
            .Layers(model)
            .ToDictionary(entry => entry.Name, entry => entry.Module, StringComparer.Ordinal);
        Assert.That(
            layers.Select(layer => $"{layer.Key} {BitsandbytesLayer.ClassOf(layer.Value)}"),
            Is.EquivalentTo(expected.Properties("after_convert_module").Select(layer => $"{layer.Name} {layer.Value}"))
        );
        foreach (var (stage, isQuantized) in ((string, bool)[])[("convert_module", false), ("to_cpu", true)])
        {
            foreach (var layer in expected.Properties($"detail_after_{stage}"))
            {
                BitsandbytesLayer.Check(
                    layer.Value,
                    layers[layer.Name],
                    mode,
                    $"{path}/detail_after_{stage}/{layer.Name}",
                    isQuantized
                );
            }
        }
    }

    // "mlp/nf4/bfloat16/train"; the outputs' values are tensors of bnb_quantized_and_outputs
    [TestCaseSource(nameof(Forwards))]
    public void A_forward_gives_the_recorded_dtypes_and_changes_nothing(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        var (kind, mode, dtype, phase) = name.Split('/') switch
        {
            var parts => (parts[0], parts[1], parts[2], parts[3]),
        };
        if (expected.Text("error") is not null)
        {
            // The peer lacks an operator on the CPU; NBit gives what it gives in training (DESIGN 8.4).
            Assert.That(
                GoldenRules.ForJson(BitsandbytesRecording.File, $"forward/{name}")?.Kind,
                Is.EqualTo("differs")
            );
            expected = Recorded.Get("forward")!.Value.Get($"{kind}/{mode}/{dtype}/train")!.Value;
        }

        using var model = BitsandbytesRecording.LoadModel(kind);
        using var fabric = BitsandbytesForward.MakeFabric(mode, dtype);
        var net = fabric.Setup(model);
        var before = Dtypes(model);

        var output = BitsandbytesForward.Run(net, model, kind, train: phase == "train");

        Assert.That(output.dtype.Name(), Is.EqualTo(expected.Text("out_dtype")));
        Assert.That(
            model.modules().OfType<Linear>().Select(layer => layer.bias!.dtype.Name()),
            Is.All.EqualTo(expected.Text("bias_dtype_after"))
        );
        Assert.That(Dtypes(model), Is.EqualTo(before));
    }

    private static List<string> Dtypes(nn.Module model) =>
        [.. model.named_parameters().Select(entry => $"{entry.name} {entry.parameter.dtype.Name()}")];

    // "ignore=['fc1', 'head']"
    private static IEnumerable<string> Ignored(string list) => list.Split('\'').Where((_, i) => i % 2 == 1);
}
