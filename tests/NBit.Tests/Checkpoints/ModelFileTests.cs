using System.Text;
using NBit.Checkpoints;
using NBit.Precision;
using NBit.Quantization;
using NBit.Tests.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

/// <summary>Models in files, quantized or not, in any combination of file and model.</summary>
public sealed class ModelFileTests : DisposeScopeFixture
{
    private TemporaryDirectory _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TemporaryDirectory();

    [TearDown]
    public void RemoveFolder() => _folder.Dispose();

    private string Path => _folder.File("model.safetensors");

    private static readonly Dictionary<string, Func<nn.Module<Tensor, Tensor>>> Layers = new(StringComparer.Ordinal)
    {
        ["nf4"] = () => new Linear4bit(33, 50, quantType: QuantType.NF4, compressStatistics: false),
        ["nf4-dq"] = () => new Linear4bit(33, 50, quantType: QuantType.NF4),
        ["fp4 of 128, no bias"] = () => new Linear4bit(33, 50, hasBias: false, blocksize: 128),
        ["bfloat16"] = () => new Linear4bit(33, 50, dtype: ScalarType.BFloat16),
        ["int8"] = () => new Linear8bitLt(33, 50, hasFp16Weights: false),
        ["int8 training"] = () => new Linear8bitLt(33, 50),
        ["embedding 4"] = () => new Embedding4bit(40, 33),
        ["embedding 8"] = () => new Embedding8bit(40, 33),
        ["linear"] = () => nn.Linear(33, 50),
    };

    private static IEnumerable<string> LayerNames() => Layers.Keys;

    [TestCaseSource(nameof(LayerNames))]
    public void A_layer_comes_back_bit_for_bit_alone_and_in_a_model(string name)
    {
        using nn.Module<Tensor, Tensor> saved = Layers[name](),
            loaded = Layers[name]();
        var x = name.StartsWith("embedding", StringComparison.Ordinal) ? arange(40) : randn(4, 33);
        ModelFile.Save(saved, Path);
        var bytes = File.ReadAllBytes(Path);
        ModelFile.Load(loaded, Path);
        TensorAssert.Equal(loaded.forward(x), saved.forward(x));

        ModelFile.Save(loaded, Path);
        Assert.That(File.ReadAllBytes(Path), Is.EqualTo(bytes), "after loading and inference");
        using var model = nn.Sequential(("inner", Layers[name]()));
        ModelFile.Save(nn.Sequential(("inner", saved)), Path);
        ModelFile.Load(model, Path);
        TensorAssert.Equal(model.forward(x), saved.forward(x));
    }

    [Test]
    public void A_model_comes_back_with_its_adapters(
        [ValueSource(typeof(TwoLayers), nameof(TwoLayers.Kinds))] string kind
    )
    {
        using TwoLayers saved = TwoLayers.Make(kind),
            loaded = TwoLayers.Make(kind, seed: 5);
        Lora.Attach(saved);
        Lora.Attach(loaded);
        using (no_grad())
        {
            foreach (var parameter in Lora.Parameters(saved))
            {
                parameter.normal_();
            }
        }

        ModelFile.Save(saved, Path);
        ModelFile.Load(loaded, Path);
        TensorAssert.Equal(loaded.forward(TwoLayers.Input()), saved.forward(TwoLayers.Input()));
        Assert.That(Lora.Parameters(loaded).Select(parameter => parameter.requires_grad), Is.All.True);
    }

    [TestCase("nf4", "weight.absmax,weight.quant_map,weight.quant_state.bitsandbytes__nf4")]
    [TestCase(
        "fp4-dq",
        "weight.absmax,weight.quant_map,weight.nested_absmax,weight.nested_quant_map,"
            + "weight.quant_state.bitsandbytes__fp4"
    )]
    [TestCase("int8", "SCB,weight_format")]
    [TestCase("int8-training", "")]
    public void A_file_has_the_names_of_bitsandbytes(string mode, string companions)
    {
        using var model = TwoLayers.Make(mode);
        ModelFile.Save(model, Path);
        using var reader = SafetensorsReader.Open(Path);
        string[] names = ["weight", "bias", .. companions.Split(',', StringSplitOptions.RemoveEmptyEntries)];
        Assert.That(
            reader.Header.Entries.Select(entry => entry.Name),
            Is.EquivalentTo(names.SelectMany(name => (string[])[$"_first.{name}", $"_last.{name}"]))
        );
        Assert.That(reader.Header.Metadata["format"], Is.EqualTo("pt"));
    }

    [TestCase("nf4")]
    [TestCase("nf4-dq")]
    [TestCase("fp4")]
    [TestCase("int8")]
    public void A_quantized_file_makes_a_float_model_quantized(string mode)
    {
        using TwoLayers saved = TwoLayers.Make(mode),
            loaded = TwoLayers.Make(seed: 5);
        var weight = loaded.First.weight;
        ModelFile.Save(saved, Path);
        ModelFile.Load(loaded, Path);
        Assert.That(loaded.First.weight, Is.SameAs(weight));
        Assert.That((TwoLayers.IsQuantized(loaded.First), weight.requires_grad), Is.EqualTo((true, false)));
        TensorAssert.Equal(loaded.forward(TwoLayers.Input()), saved.forward(TwoLayers.Input()));
    }

    [Test]
    public void A_float_file_is_quantized_anew_as_the_model_was(
        [Values("nf4", "nf4-dq", "fp4", "int8", "int8-training")] string mode,
        [Values(ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        using TwoLayers saved = TwoLayers.Make(),
            expected = TwoLayers.Make(),
            loaded = TwoLayers.Make(mode, seed: 5);
        new HalfPrecision("bf16-true").ConvertModule(saved); // numbers that all three dtypes have
        new HalfPrecision("bf16-true").ConvertModule(expected);
        if (dtype == ScalarType.Float64)
        {
            new DoublePrecision().ConvertModule(saved);
        }
        else if (dtype == ScalarType.Float32)
        {
            ModelFile.Save(saved, Path);
            using var plain = TwoLayers.Make(seed: 9);
            ModelFile.Load(plain, Path);
            ModelFile.Save(plain, Path);
        }

        if (dtype != ScalarType.Float32)
        {
            ModelFile.Save(saved, Path);
        }

        ModelFile.Load(loaded, Path);
        TwoLayers.Convert(expected, mode);
        var x = TwoLayers.Input();
        TensorAssert.Close(loaded.First.forward(x), expected.First.forward(x), 1e-5);
        Assert.That(TwoLayers.IsQuantized(loaded.First), Is.EqualTo(mode != "int8-training"));
    }

    [Test]
    public void Files_of_one_mode_load_into_models_of_another(
        [Values("nf4", "fp4-dq", "int8")] string file,
        [Values("nf4-dq", "int8", "int8-training")] string model
    )
    {
        using TwoLayers saved = TwoLayers.Make(file),
            loaded = TwoLayers.Make(model, seed: 5);
        ModelFile.Save(saved, Path);
        ModelFile.Load(loaded, Path);
        TensorAssert.Close(loaded.forward(TwoLayers.Input()), saved.forward(TwoLayers.Input()), 0.02);
        TensorAssert.Equal(loaded.First.weight.detach(), saved.First.weight.detach());
    }

    [Test]
    public void What_does_not_fit_is_listed_and_the_model_untouched()
    {
        using var saved = nn.Sequential(
            ("a", nn.Linear(4, 5)),
            ("b", nn.Linear(5, 4)),
            ("c", new Linear4bit(8, 8)),
            ("d", new Embedding4bit(8, 8)),
            ("e", new Linear8bitLt(8, 8, hasFp16Weights: false)),
            ("g", new Linear4bit(8, 8, hasBias: false))
        );
        using var model = nn.Sequential(
            ("a", nn.Linear(4, 6)),
            ("c", nn.Linear(8, 9)),
            ("d", nn.Embedding(8, 8)),
            ("e", new Linear4bit(8, 8)),
            ("f", nn.Linear(2, 2, hasBias: false))
        );
        ModelFile.Save(saved, Path);
        var before = Bytes(model);
        var error = Assert.Catch<ArgumentException>(() => ModelFile.Load(model, Path))!;
        Assert.That(
            error.Message,
            Does.Contain("is of another model than Sequential: ")
                .And.Contain("a.weight is [5, 4], the model has [6, 4]")
                .And.Contain("a.bias is [5], the model has [6]")
                .And.Contain("c.weight is [8, 8], the model has [9, 8]")
                .And.Contain("d.weight is fp4-dq, which a Embedding cannot hold; and 5 more")
        );
        Assert.That(Bytes(model), Is.EqualTo(before));
    }

    private static IEnumerable<TestCaseData> Broken()
    {
        const string state = "_first.weight.quant_state.bitsandbytes__nf4";
        yield return Case("no absmax", tensors => tensors.Remove("_first.weight.absmax"), "there is no", "absmax");
        yield return Case(
            "absmax too short",
            tensors => tensors["_first.weight.absmax"] = zeros(3, ScalarType.Byte),
            "it must be U8 of 16 elements"
        );
        yield return Case(
            "absmax of another dtype",
            tensors => tensors["_first.weight.absmax"] = zeros(16),
            "it must be U8 of 16 elements"
        );
        yield return Case(
            "nested_absmax too long",
            tensors => tensors["_first.weight.nested_absmax"] = zeros(2),
            "it must be F32 of 1 elements"
        );
        yield return Case("no quant_map", tensors => tensors.Remove("_first.weight.quant_map"), "there is no");
        yield return Case(
            "another code",
            tensors => tensors["_first.weight.quant_map"] = Codebook.FP4.ToTensor(),
            "its values are not nf4's"
        );
        yield return Case(
            "a code that falls",
            tensors => tensors["_first.weight.nested_quant_map"] = -arange(256, ScalarType.Float32),
            "rising order"
        );
        yield return Case(
            "weight too short",
            tensors => tensors["_first.weight"] = zeros(511, 1, dtype: ScalarType.Byte),
            "_first"
        );
        yield return Case("no weight", tensors => tensors.Remove("_first.weight"), "no '_first.weight'");
        yield return Case("cut", tensors => Edit(tensors, text => text[..^9]), "_first.weight.quant_state");
        yield return Case(
            "a shape that lies",
            tensors => Edit(tensors, text => text.Replace("[64, 16]", "[64, 1600000]", StringComparison.Ordinal)),
            "_first"
        );
        yield return Case(
            "another type than its name",
            tensors => Edit(tensors, text => text.Replace("nf4", "fp4", StringComparison.Ordinal)),
            "its quant_type is fp4, which its name is not"
        );
        yield return Case(
            "another version",
            tensors => Edit(tensors, text => text.Replace("{", "{\"version\": 2, ", StringComparison.Ordinal)),
            "a state of this version has"
        );
        yield return Case(
            "other nested blocks",
            tensors => Edit(tensors, text => text.Replace("256", "128", StringComparison.Ordinal)),
            "its nested_blocksize is 128; NBit reads 256"
        );

        static void Edit(Dictionary<string, Tensor> tensors, Func<string, string> change)
        {
            var text = Encoding.UTF8.GetString(tensors[state].bytes);
            tensors[state] = tensor(Encoding.UTF8.GetBytes(change(text)));
        }

        static TestCaseData Case(string name, Action<Dictionary<string, Tensor>> change, params string[] message) =>
            new TestCaseData(change, message).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Broken))]
    public void A_layer_that_is_not_whole_is_refused_by_name_and_the_model_untouched(
        Action<Dictionary<string, Tensor>> change,
        string[] message
    )
    {
        using TwoLayers saved = TwoLayers.Make("nf4-dq"),
            model = TwoLayers.Make(seed: 5);
        var tensors = ModelWeights
            .Of(saved)
            .ToDictionary(entry => entry.Name, entry => entry.Tensor.detach(), StringComparer.Ordinal);
        change(tensors);
        SafetensorsWriter.Save(Path, tensors.Select(entry => (entry.Key, entry.Value)).ToList());
        var before = Bytes(model);
        var error = Assert.Catch(() => ModelFile.Load(model, Path))!;
        Assert.That(error, Is.InstanceOf<SafetensorsFormatException>().Or.InstanceOf<ArgumentException>());
        foreach (var part in message)
        {
            Assert.That(error.Message, Does.Contain(part));
        }

        Assert.That(Bytes(model), Is.EqualTo(before));
    }

    [TestCase(1, "NBit reads format 0")]
    [TestCase(2, "NBit reads format 0")]
    public void An_8_bit_layer_of_another_order_is_refused(int format, string message)
    {
        using TwoLayers saved = TwoLayers.Make("int8"),
            model = TwoLayers.Make();
        var tensors = ModelWeights
            .Of(saved)
            .Select(entry =>
                (
                    entry.Name,
                    entry.Name.EndsWith("format", StringComparison.Ordinal) ? tensor((byte)format) : entry.Tensor
                )
            )
            .ToList();
        SafetensorsWriter.Save(Path, tensors);
        Assert.That(
            () => ModelFile.Load(model, Path),
            Throws.InstanceOf<SafetensorsFormatException>().With.Message.Contains(message)
        );
    }

    [Test]
    public void Saving_and_loading_leave_nothing_behind([Values("none", "nf4-dq", "int8", "int8-training")] string kind)
    {
        using TwoLayers saved = TwoLayers.Make(kind),
            loaded = TwoLayers.Make(kind);
        ModelFile.Save(saved, Path);
        TensorCount.AssertChangedBy(0, () => ModelFile.Save(saved, Path));
        ModelFile.Load(loaded, Path);
        TensorCount.AssertChangedBy(0, () => ModelFile.Load(loaded, Path));
    }

    private static string Bytes(nn.Module model) =>
        string.Join(
            "\n",
            ModelWeights
                .Of(model)
                .Select(entry => $"{entry.Name} {Convert.ToHexString(entry.Tensor.detach().contiguous().bytes)}")
        );
}
