using System.Reflection;
using System.Text.Json;
using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using NBit.Quantization;
using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>precision/bnb.json: odd models, and the order of converting, loading and running.</summary>
public sealed class BitsandbytesSpecialCaseTests
{
    private const string File = BitsandbytesRecording.File;

    private static IEnumerable<TestCaseData> Cases() =>
        BitsandbytesRecording
            .Json.Properties("special_cases")
            .Select(entry =>
                new TestCaseData(entry.Name, entry.Value).SetName($"bitsandbytes special case {entry.Name}")
            );

    [TestCaseSource(nameof(Cases))]
    public void A_special_case_ends_as_recorded(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        var words = name.Split(' ', ',');
        switch (name)
        {
            case "model without Linear (Conv1d)":
                Outcome.Check(expected, () => Converted(nn.Conv1d(1, 1, 1)));
                break;
            case "the root module itself is a Linear":
                Assert.That(BitsandbytesLayer.ClassOf(Converted(nn.Linear(8, 8))), Is.EqualTo(expected.Text("class")));
                break;
            case "Sequential(Linear)":
                CheckLayers(name, expected, nn.Sequential(nn.Linear(8, 8)));
                break;
            case "Linear without bias":
                CheckLayers(name, expected, nn.Sequential(nn.Linear(8, 8, hasBias: false)));
                break;
            case "a subclass of Linear":
                // TorchSharp's Linear cannot be derived from outside of it.
                Assert.That(
                    typeof(Linear)
                        .GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
                        .Any(made => made.IsPublic || made.IsFamily || made.IsFamilyOrAssembly),
                    Is.False
                );
                break;
            case "nn.MultiheadAttention":
                // TorchSharp's attention computes with its out_proj natively and shows no Linear.
                Outcome.CheckError(
                    BitsandbytesRecording.Json.Get("special_cases")!.Value.Get("model without Linear (Conv1d)")!.Value,
                    Assert.Catch(() => Converted(nn.ModuleList(nn.MultiheadAttention(8, 2))))!
                );
                break;
            case "a Linear shared by two parents" or "a Linear registered twice in one parent":
                CheckShared();
                break;
            case "module_init_context with ignore_modules":
                CheckIgnoredInInitContext();
                break;
            case "forward with ignore_modules={'head'} and a float32 model (the float32 head gets bfloat16 input)":
                Outcome.Check(expected, () => ForwardIgnoringHead(castFirst: false).ToString());
                break;
            case "forward with ignore_modules={'head'}, model cast to bfloat16 first":
                Assert.That(ForwardIgnoringHead(castFirst: true).Name(), Is.EqualTo(expected.Text("out_dtype")));
                break;
            case var _ when GoldenRules.ForJson(File, $"special_cases/{name}")?.Kind == "refused":
                CheckRefused(words[0] == "convert_module");
                break;
            case var _ when words[0] is "reset_parameters" or "to_empty":
                Skip.Differs(GoldenRules.ForJson(File, $"special_cases/{name}")!);
                break;
            case var _ when words[0] == "module_init_context":
                CheckInitContext(name, expected, words.Length > 1 ? words[1] : "nf4");
                break;
            case var _ when name.StartsWith("meta device, ", StringComparison.Ordinal):
                CheckDeferred(name, expected, words[^1]);
                break;
            case var _ when words[0] == "load_state_dict":
                CheckLoadingFloats(words[5]);
                break;
            case var _ when name.StartsWith("state_dict keys of ", StringComparison.Ordinal):
                CheckKeys(
                    expected,
                    words[3],
                    words[5],
                    isQuantized: !name.EndsWith("not quantized", StringComparison.Ordinal)
                );
                break;
            case var _ when words[0] == "eval()":
                CheckEvaluation(words[3]);
                break;
            default:
                throw new ArgumentException($"{File} has a special case '{name}' that this test does not know");
        }
    }

    private static BitsandbytesPrecision Mode(string mode = "nf4", params string[] ignored) =>
        new(mode, mode.StartsWith("int8", StringComparison.Ordinal) ? null : bfloat16, ignored);

    private static nn.Module Converted(nn.Module model, string mode = "nf4")
    {
        Mode(mode).ConvertModule(model);
        return model;
    }

    private static void CheckLayers(string name, JsonElement expected, nn.Module model)
    {
        Mode().ConvertModule(model);
        CheckLayers($"special_cases/{name}", expected, model, Mode());
    }

    private static void CheckLayers(string path, JsonElement expected, nn.Module model, BitsandbytesPrecision mode)
    {
        var layers = BitsandbytesRecording
            .Layers(model)
            .ToDictionary(entry => entry.Name, entry => entry.Module, StringComparer.Ordinal);
        Assert.That(layers.Keys, Is.EquivalentTo(expected.EnumerateObject().Select(layer => layer.Name)));
        foreach (var layer in expected.EnumerateObject())
        {
            BitsandbytesLayer.Check(layer.Value, layers[layer.Name], mode, $"{path}/{layer.Name}", isQuantized: false);
        }
    }

    // The peer replaces layers, so that shared ones come apart. NBit converts them in place (DESIGN 4).
    private static void CheckShared()
    {
        var shared = nn.Linear(8, 8);
        var model = nn.Sequential(("a", nn.Sequential(("l", shared))), ("b", nn.Sequential(("l", shared))));
        Converted(model);
        Assert.That(model.modules().OfType<Linear>().Distinct(), Is.EqualTo(new[] { shared }));
        Assert.That(BitsandbytesLayer.ClassOf(shared), Is.EqualTo("_NF4Linear"));
    }

    // Quantized in another way, or in part: an error that says what to do; the model stays as it is.
    private static void CheckRefused(bool isConverted)
    {
        using var model = BitsandbytesRecording.LoadModel("mlp");
        using var own = new Linear4bit(8, 8, computeDtype: float16);
        if (isConverted)
        {
            Mode().ConvertModule(model);
        }
        else
        {
            model.register_module("own", own);
        }

        var before = model.modules().Select(BitsandbytesLayer.ClassOf).ToList();
        Assert.That(
            () => Mode(isConverted ? "int8" : "nf4").ConvertModule(model),
            Throws
                .InvalidOperationException.With.Message.Contains("quantized already")
                .And.Message.Contains("use no plugin")
        );
        Assert.That(model.modules().Select(BitsandbytesLayer.ClassOf), Is.EqualTo(before));
    }

    private static Sequential InitModel(BitsandbytesPrecision mode, out string dtype)
    {
        using (mode.ModuleInitContext())
        {
            dtype = get_default_dtype().Name();
            return nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Embedding(3, 8));
        }
    }

    // The peer's class is there at once; NBit's layers are quantized by ConvertModule, before they take memory.
    private static void CheckInitContext(string name, JsonElement expected, string modeName)
    {
        var mode = Mode(modeName);
        using var model = InitModel(mode, out var dtype);
        Assert.That(dtype, Is.EqualTo(expected.Text("default_dtype")));
        mode.ConvertModule(model);
        CheckLayers($"special_cases/{name}/layers", expected.Get("layers")!.Value, model, mode);
        Assert.That(BitsandbytesLayer.ClassOf(nn.Linear(8, 8)), Is.EqualTo(expected.Text("Linear_restored")));
    }

    // The peer refuses this, as it makes every layer quantized at once. NBit converts later, so it can leave layers out
    // (the first example of DESIGN does).
    private static void CheckIgnoredInInitContext()
    {
        var mode = Mode("nf4", "1");
        Sequential model;
        using (mode.ModuleInitContext())
        {
            model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8));
        }

        mode.ConvertModule(model);
        Assert.That(
            model.modules().OfType<Linear>().Select(BitsandbytesLayer.ClassOf),
            Is.EqualTo(new[] { "_NF4Linear", "Linear" })
        );
        Assert.That(model.forward(ones(1, 8, bfloat16)).isfinite().all().item<bool>(), Is.True);
    }

    // On the meta device the peer makes layers without memory. In NBit that is ModuleInitContext's work.
    private static void CheckDeferred(string name, JsonElement expected, string modeName)
    {
        var mode = Mode(modeName);
        Sequential model;
        using (mode.ModuleInitContext())
        {
            model = nn.Sequential(nn.Linear(8, 8));
        }

        mode.ConvertModule(model);
        foreach (var layer in expected.Properties("after_convert_module"))
        {
            var recorded = layer.Value.EnumerateObject().Where(field => field.Name != "weight_device");
            BitsandbytesLayer.Check(
                JsonSerializer.SerializeToElement(
                    recorded.ToDictionary(field => field.Name, field => field.Value, StringComparer.Ordinal)
                ),
                model.named_modules().Single(entry => entry.name == layer.Name).module,
                mode,
                $"special_cases/{name}/after_convert_module/{layer.Name}",
                isQuantized: false
            );
        }

        using var meta = nn.Sequential(nn.Linear(8, 8, device: META));
        Assert.That(
            () => mode.ConvertModule(meta),
            Throws.InstanceOf<ArgumentException>().Or.InstanceOf<NotSupportedException>()
        );
    }

    // DESIGN 8.7: on every device, quantized as it loads.
    private static void CheckLoadingFloats(string mode)
    {
        using var folder = new TemporaryFolder();
        using var source = nn.Sequential(nn.Linear(64, 8));
        using var direct = nn.Sequential(nn.Linear(64, 8));
        using var loaded = nn.Sequential(nn.Linear(64, 8));
        ModelFile.Save(source, folder.PathOf("float.safetensors"));
        ModelFile.Load(direct, folder.PathOf("float.safetensors"));
        Converted(direct, mode);
        Converted(loaded, mode);
        ModelFile.Load(loaded, folder.PathOf("float.safetensors"));
        ModelFile.Save(direct, folder.PathOf("converted.safetensors"));
        ModelFile.Save(loaded, folder.PathOf("loaded.safetensors"));
        Assert.That(
            System.IO.File.ReadAllBytes(folder.PathOf("loaded.safetensors")),
            Is.EqualTo(System.IO.File.ReadAllBytes(folder.PathOf("converted.safetensors")))
        );
    }

    private static void CheckKeys(JsonElement expected, string layer, string mode, bool isQuantized)
    {
        using var model = BitsandbytesRecording.LoadModel("mlp");
        if (isQuantized)
        {
            Converted(model, mode);
        }

        // The bias was recorded before the first forward, in which the peer casts it; NBit does so when it converts.
        var bias = isQuantized ? Mode(mode).DataType.Name() : "float32";
        Assert.That(
            ModelWeights
                .Of(model)
                .Where(entry => entry.Name.StartsWith($"{layer}.", StringComparison.Ordinal))
                .Select(entry => $"{entry.Name} {entry.Tensor.dtype.Name()} [{string.Join(",", entry.Tensor.shape)}]"),
            Is.EquivalentTo(
                expected
                    .EnumerateObject()
                    .Select(entry => (entry.Name, Dtype: entry.Value[0].GetString(), Shape: entry.Value[1]))
                    .Select(entry => $"{entry.Name} {(IsBias(entry.Name) ? bias : entry.Dtype)} {entry.Shape}")
            )
        );

        static bool IsBias(string name) => name.EndsWith(".bias", StringComparison.Ordinal);
    }

    // DESIGN 8.2: no repacking, any sizes.
    private static void CheckEvaluation(string kind)
    {
        using var fabric = BitsandbytesForward.MakeFabric("nf4", "bfloat16");
        using var model = BitsandbytesRecording.LoadModel(kind);
        var net = fabric.Setup(model);
        var before = model.named_parameters().Select(entry => $"{entry.name} {entry.parameter}").ToList();
        Assert.That(BitsandbytesForward.Run(net, model, kind, train: false).dtype, Is.EqualTo(float32));
        Assert.That(model.named_parameters().Select(entry => $"{entry.name} {entry.parameter}"), Is.EqualTo(before));
    }

    private static ScalarType ForwardIgnoringHead(bool castFirst)
    {
        using var model = BitsandbytesRecording.LoadModel("mlp");
        if (castFirst)
        {
            new HalfPrecision("bf16-true").ConvertModule(model);
        }

        using var fabric = new Fabric(plugin: Mode("nf4", "head"), accelerator: "cpu");
        return BitsandbytesForward.Run(fabric.Setup(model), model, "mlp", train: true).dtype;
    }
}
