using NBit.GoldenTests.Golden;
using NBit.Models;
using NBit.Quantization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Transformers;

/// <summary>Single int8 layers of the models, with their recorded inputs: the sharp test of LLM.int8().</summary>
public sealed class Int8LayerTests
{
    private const string Prefix = "nbit.layer.";
    private const string Input = ".input";
    private const double Threshold = 6; // README of the golden folder

    private static IEnumerable<TestCaseData> Layers() =>
        from file in GoldenFolder.Files("transformers", "nbit_*.safetensors")
        from name in GoldenTensors.Of(file).Names
        where name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(Input, StringComparison.Ordinal)
        select new TestCaseData(file, name[Prefix.Length..^Input.Length]).SetArgDisplayNames(
            $"{Path.GetFileName(file)} {name}"
        );

    [TestCaseSource(nameof(Layers))]
    public void An_int8_layer_gives_the_recorded_output(string file, string layer)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load(file);
        var input = GoldenTensors.Of(file).Read($"{Prefix}{layer}{Input}");
        var linear = (Linear)model.named_modules().Single(entry => entry.name == layer).module;
        Assert.That(LinearWeight.Of(linear.weight), Is.InstanceOf<Weight8bit>());

        var rows = Functional.Int8VectorwiseQuantize(input.to(float16), Threshold);

        Check($"{Prefix}{layer}.outlier_cols", rows.OutlierColumns ?? empty(0, int64));
        Check($"{Prefix}{layer}.output", linear.forward(input));

        void Check(string name, Tensor actual) => GoldenAnswer.Of(file, name, TransformersReadme.Of).Check(actual);
    }

    private static nn.Module Load(string file)
    {
        if (file.Contains("minilm", StringComparison.Ordinal))
        {
            using var folder = new QuantizedFolder(ModelsFolder.PathOf("all-MiniLM-L6-v2"), "int8");
            return BertModel.Load(folder.Root, folder.Dtype);
        }

        return LlamaForCausalLM.Load(GoldenFolder.PathOf("transformers/llama-int8"), float32);
    }
}
