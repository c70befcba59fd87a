using NBit.GoldenTests.Golden;
using NBit.Models;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Transformers;

/// <summary>Llama folders as transformers runs them: logits and greedy continuations, by the form of the
/// weights.</summary>
public sealed class LlamaTests
{
    private const string Folder = "transformers";
    private const string FileEnd = "-logits.safetensors";
    private const string Float32 = "float32";

    private static IEnumerable<TestCaseData> Recordings(string kind) =>
        from file in GoldenFolder.Files(Folder, $"*{FileEnd}")
        from name in GoldenTensors.Of(file).Names
        where name.StartsWith($"{kind}.", StringComparison.Ordinal)
        select new TestCaseData(file, name).SetArgDisplayNames($"{Path.GetFileName(file)} {name}");

    [TestCaseSource(nameof(Recordings), new object[] { "logits" })]
    public void Logits_are_those_of_transformers(string file, string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Load(file, name);
        var answer = GoldenAnswer.Of(file, name, TransformersReadme.Of);
        var ids = GoldenTensors.Of(file).Read("input_ids").to(int64);

        answer.Check(model.forward(ids));

        var eights = model.parameters().Select(LinearWeight.Of).OfType<Weight8bit>().ToList();
        if (eights.Count == 0)
        {
            answer.Check(ForwardInParts(model, ids));
            return;
        }

        // LLM.int8() looks for outlier columns in all rows of a call, so that other parts have other ones. Without
        // outliers, a row's product depends on that row alone.
        eights.ForEach(weight => weight.Threshold = 0);
        Assert.That(answer.Comparison.Difference(ForwardInParts(model, ids), model.forward(ids)), Is.Null);
    }

    [TestCaseSource(nameof(Recordings), new object[] { "greedy" })]
    public void Greedy_continuations_are_those_of_transformers(string file, string name)
    {
        const int prompt = 8; // README of the folder
        if (GoldenAnswer.Of(file, name, TransformersReadme.Of).NotCompared is { } rule)
        {
            Skip.Differs(rule);
        }

        using var scope = NewDisposeScope();
        using var model = Load(file, name);
        var tokens = GoldenTensors.Of(file).Read(name).to(int64).data<long>().ToArray();

        var continued = model.Generate(tokens[..prompt], tokens.Length - prompt);

        Assert.That(continued, Is.EqualTo(tokens[prompt..]));
    }

    private static Tensor ForwardInParts(LlamaForCausalLM model, Tensor ids)
    {
        using var cache = new KeyValueCache(model.Config);
        return cat([.. ids.split([9, 1, 1, ids.shape[1] - 11], 1).Select(part => model.forward(part, cache))], 1);
    }

    // "logits.nf4-dq.dequantized" is of the stored folder, ".exact" of what NBit quantizes itself.
    private static LlamaForCausalLM Load(string file, string name)
    {
        var folder = GoldenFolder.PathOf(file[..^FileEnd.Length]);
        var parts = name.Split('.');
        if (parts is [_, var mode, "exact"])
        {
            using var quantized = new QuantizedFolder(folder, mode);
            return LlamaForCausalLM.Load(quantized.Root, float32);
        }

        return LlamaForCausalLM.Load(parts[1] == Float32 ? folder : $"{folder}-{parts[1]}", float32);
    }
}
