using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Transformers;

/// <summary>
/// The stored form of one weight of all-MiniLM-L6-v2 in each mode: what NBit makes of the weight, and what loads
/// as it is.
/// </summary>
public sealed class MiniLmWeightTests
{
    private const string Recording = "transformers/minilm-embeddings.safetensors";
    private const string Answers = "transformers/nbit_minilm.safetensors";
    private const string Model = "all-MiniLM-L6-v2";
    private const string Layer = "encoder.layer.0.attention.self.query"; // README of the folder
    private const string State = ".quant_state.bitsandbytes__";
    private const string Weight = "weight.";

    private static IEnumerable<string> Modes() =>
        GoldenTensors
            .Of(Recording)
            .Names.Where(name => name.StartsWith(Weight, StringComparison.Ordinal))
            .Select(name => name.Split('.')[1])
            .Distinct(StringComparer.Ordinal);

    [TestCaseSource(nameof(Modes))]
    public void A_weight_is_stored_as_bitsandbytes_does(string mode)
    {
        using var scope = NewDisposeScope();
        using var folder = new QuantizedFolder(ModelsFolder.PathOf(Model), mode);
        using var stored = TensorSource.Open(folder.Root);
        foreach (var name in NamesOf(mode))
        {
            var actual = stored.Read(Stored(mode, name));
            if (name.Contains(State, StringComparison.Ordinal))
            {
                QuantStates.AssertSame(GoldenTensors.Of(Recording).Read(name), actual);
                continue;
            }

            // What is made with the mean of absmax is exact given the recorded mean, whose last bits may differ.
            GoldenAnswer
                .Of(Recording, name, TransformersReadme.Of)
                .Check(name.EndsWith(".nested_absmax", StringComparison.Ordinal) ? NestedAbsmax(mode) : actual);
        }
    }

    [TestCaseSource(nameof(Modes))]
    public void A_stored_weight_loads_and_is_saved_as_it_is(string mode)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var recorded = GoldenTensors.Of(Recording);
        var tensors = NamesOf(mode)
            .ToDictionary(
                name => Stored(mode, name)[(Layer.Length - "query".Length)..],
                recorded.Read,
                StringComparer.Ordinal
            );
        var file = folder.PathOf("stored.safetensors");
        SafetensorsWriter.Save(
            file,
            [.. tensors.Select(pair => (pair.Key, pair.Value))],
            new Dictionary<string, string>(StringComparer.Ordinal)
        );
        using var source = TensorSource.Open(file);
        var shape = QuantizedLayer.Find(source).Single().Shape;
        using var model = nn.Sequential(("query", nn.Linear(shape[1], shape[0], hasBias: false)));

        ModelFile.Load(model, file);
        ModelFile.Save(model, folder.PathOf("saved.safetensors"));

        using var saved = TensorSource.Open(folder.PathOf("saved.safetensors"));
        Assert.That(saved.Names.Where(name => !IsFormat(name)), Is.EquivalentTo(tensors.Keys));
        foreach (var (name, tensor) in tensors)
        {
            Assert.That(
                new Comparison(ComparisonKind.Bytes).Difference(saved.Read(name), tensor),
                Is.Null,
                $"{name} of {mode}"
            );
        }

        // The recording leaves the format out, which is a constant.
        static bool IsFormat(string name) => name.EndsWith(".weight_format", StringComparison.Ordinal);
    }

    private static IEnumerable<TestCaseData> Dequantized() =>
        GoldenTensors
            .Of(Answers)
            .Names.Where(name => name.StartsWith($"nbit.{Weight}", StringComparison.Ordinal))
            .Where(name => name.EndsWith(".dequantized", StringComparison.Ordinal))
            .Select(name => new TestCaseData(name).SetArgDisplayNames(name));

    [TestCaseSource(nameof(Dequantized))]
    public void A_weight_is_dequantized(string name)
    {
        using var scope = NewDisposeScope();
        using var folder = new QuantizedFolder(ModelsFolder.PathOf(Model), name.Split('.')[2]);
        using var stored = TensorSource.Open(folder.Root);
        using var weight = BitsandbytesLayout.Read(
            stored,
            QuantizedLayer.Find(stored).Single(layer => layer.Name == Layer),
            computeType: null,
            threshold: 0
        );
        GoldenAnswer.Of(Answers, name, TransformersReadme.Of).Check(((Weight4bit)weight).Dequantize());
    }

    private static Tensor NestedAbsmax(string mode)
    {
        var stem = mode[..mode.IndexOf("-dq", StringComparison.Ordinal)];
        var state = GoldenTensors.Of(Recording).Read($"{Weight}{mode}{State}{stem}");
        using var folder = new QuantizedFolder(
            ModelsFolder.PathOf(Model),
            mode.Replace("-dq", "", StringComparison.Ordinal)
        );
        using var stored = TensorSource.Open(folder.Root);
        return QuantStates.NestedAbsmax(stored.Read($"{Layer}.weight.absmax"), state);
    }

    private static IEnumerable<string> NamesOf(string mode) =>
        GoldenTensors
            .Of(Recording)
            .Names.Where(name =>
                name == Weight + mode || name.StartsWith($"{Weight}{mode}.", StringComparison.Ordinal)
            );

    // "weight.nf4.absmax" is LAYER.weight.absmax, "weight.int8.SCB" is LAYER.SCB.
    private static string Stored(string mode, string name)
    {
        var rest = name[(Weight + mode).Length..];
        return rest == ".SCB" ? Layer + rest : $"{Layer}.weight{rest}";
    }
}
