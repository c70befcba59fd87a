using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Checkpoints;

/// <summary>
/// bitsandbytes/model_*.safetensors: state dicts of its layers in a Sequential, loaded, run, saved, and made anew from
/// the original weights.
/// </summary>
public sealed class SavedModelsTests
{
    private const string Originals = "bitsandbytes/model_originals.safetensors";
    private const double Threshold = 6; // README of the folder
    private const int Blocksize = 64; // README of the folder

    private static readonly Dictionary<string, Comparison> Outputs = new(StringComparer.Ordinal)
    {
        ["bf16"] = Comparison.Close(absolute: 2e-2),
        [""] = Comparison.Close(absolute: 1e-4),
    };

    private static IEnumerable<string> Files() =>
        GoldenFolder.Files("bitsandbytes", "model_*.safetensors").Where(file => file != Originals);

    private static IEnumerable<TestCaseData> MadeTensors() =>
        from file in Files()
        from name in GoldenTensors.Of(file).Names
        select new TestCaseData(file, name).SetArgDisplayNames($"{Path.GetFileName(file)} {name}");

    private static IEnumerable<TestCaseData> DerivedTensors() =>
        from name in GoldenTensors.Of(Originals).Names
        where name.StartsWith("model_", StringComparison.Ordinal)
        select new TestCaseData(name).SetArgDisplayNames(name);

    [TestCaseSource(nameof(Files))]
    public void A_model_is_saved_as_it_was_loaded(string file)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var folder = new TemporaryFolder();
        using var model = Load(file);
        ModelFile.Save(model, folder.PathOf("before"));

        model.forward(GoldenTensors.Of(Originals).Read("input"));

        ModelFile.Save(model, folder.PathOf("after"));
        SavedTensors.AssertSame(GoldenFolder.PathOf(file), folder.PathOf("before"));
        SavedTensors.AssertSame(folder.PathOf("before"), folder.PathOf("after"));
    }

    [TestCaseSource(nameof(MadeTensors))]
    public void A_model_is_quantized_and_saved_as_bitsandbytes_does(string file, string name)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Quantize(Stem(file));
        ModelFile.Save(model, folder.PathOf("made"));
        using var made = SafetensorsReader.Open(folder.PathOf("made"));
        Assert.That(made.Names, Is.EquivalentTo(GoldenTensors.Of(file).Names));
        if (name.Contains(".quant_state.", StringComparison.Ordinal))
        {
            QuantStates.AssertSame(GoldenTensors.Of(file).Read(name), made.Read(name));
            return;
        }

        var answer = GoldenAnswer.Of(file, name, static (_, _) => Comparison.Exact);
        answer.Check(
            name.EndsWith(".nested_absmax", StringComparison.Ordinal) ? NestedAbsmax(file, name) : made.Read(name)
        );
    }

    // "model_nf4_dq.0.dequant", "model_nf4_dq.output"
    [TestCaseSource(nameof(DerivedTensors))]
    public void A_loaded_model_gives_the_recorded_numbers(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var parts = name.Split('.');
        using var model = Load($"bitsandbytes/{parts[0]}.safetensors");
        var output = Outputs[IsBFloat16(parts[0]) ? "bf16" : ""];
        var answer = GoldenAnswer.Of(
            Originals,
            name,
            (_, _) => parts[^1] == "output" ? output : Comparison.Close(relative: 1e-6),
            quantizes: false
        );
        answer.Check(
            parts[^1] == "output"
                ? model.forward(GoldenTensors.Of(Originals).Read("input"))
                : Dequantize(model.get_parameter($"{parts[1]}.weight")!)
        );
    }

    private static string Stem(string file) => Path.GetFileNameWithoutExtension(file);

    private static bool IsBFloat16(string stem) => stem.EndsWith("_bf16", StringComparison.Ordinal);

    private static Tensor Dequantize(Tensor weight) =>
        LinearWeight.Of(weight) switch
        {
            Weight4bit four => four.Dequantize(),
            var eight => ((Weight8bit)eight!).Dequantize(float32),
        };

    // Linear layers as they are; the file's weights make them quantized.
    private static TorchSharp.Modules.Sequential Load(string file)
    {
        using var source = TensorSource.Open(GoldenFolder.PathOf(file));
        var layers = QuantizedLayer.Find(source).OrderBy(layer => layer.Name, StringComparer.Ordinal);
        var model = nn.Sequential(
            layers
                .Select(layer =>
                {
                    var hasBias = source.TryGetEntry($"{layer.Name}.bias", out _);
                    return (layer.Name, Layer(nn.Linear(layer.Shape[1], layer.Shape[0], hasBias)));
                })
                .ToArray()
        );
        ModelFile.Load(model, GoldenFolder.PathOf(file));
        foreach (var weight in model.parameters().Select(LinearWeight.Of).OfType<Weight4bit>())
        {
            weight.ComputeType = IsBFloat16(Stem(file)) ? bfloat16 : float32;
        }

        return model;
    }

    // "model_nf4_dq_bf16": the layers of the README, of the original weights
    private static TorchSharp.Modules.Sequential Quantize(string stem)
    {
        var originals = GoldenTensors.Of(Originals);
        var names = originals
            .Names.Where(name => name.Split('.') is [var layer, "weight"] && layer.All(char.IsDigit))
            .Select(name => name.Split('.')[0]);
        return nn.Sequential(names.Select(name => (name, Quantize(stem, name))).ToArray());
    }

    private static nn.Module<Tensor, Tensor> Quantize(string stem, string layer)
    {
        var originals = GoldenTensors.Of(Originals);
        var weight = originals.Read($"{layer}.weight");
        using var linear = nn.Linear(weight.shape[1], weight.shape[0]);
        linear.weight = nn.Parameter(IsBFloat16(stem) ? weight.to(bfloat16) : weight);
        linear.bias = nn.Parameter(originals.Read($"{layer}.bias"));
        var parts = stem.Split('_');
        return parts[1] switch
        {
            "int8" => Linear8bitLt.FromLinear(linear, threshold: Threshold),
            "nf4" or "fp4" => Linear4bit.FromLinear(
                linear,
                compressStatistics: parts.Contains("dq"),
                quantType: Enum.Parse<QuantType>(parts[1], ignoreCase: true),
                blocksize: Blocksize
            ),
            _ => throw new ArgumentException($"{stem} is a model that this test does not know"),
        };
    }

    private static nn.Module<Tensor, Tensor> Layer(nn.Module<Tensor, Tensor> layer) => layer;

    // Given the recorded mean of absmax, whose last bits may differ from NBit's own.
    private static Tensor NestedAbsmax(string file, string name)
    {
        var layer = name.Split('.')[0];
        var state = GoldenTensors
            .Of(file)
            .Names.Single(other => other.StartsWith($"{layer}.weight.quant_state.", StringComparison.Ordinal));
        var plain = (Linear4bit)Quantize(Stem(file).Replace("_dq", "", StringComparison.Ordinal), layer);
        return QuantStates.NestedAbsmax(plain.QuantState.Absmax, GoldenTensors.Of(file).Read(state));
    }
}
