using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Models;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Transformers;

/// <summary>Llama folders as transformers runs them: logits and greedy tokens, by the form of the weights.</summary>
public sealed class LlamaTests
{
    private const string Folder = "transformers";
    private const string FileEnd = "-logits.safetensors";
    private const string Float32 = "float32";

    // Max abs error of logits in float32, whatever rounding order libtorch takes (README of the folder).
    private const double Tolerance = 2e-4;

    private static IEnumerable<TestCaseData> Recordings(string kind)
    {
        foreach (var file in GoldenFolder.Files(Folder, $"*{FileEnd}"))
        {
            using var reader = SafetensorsReader.Open(GoldenFolder.PathOf(file));
            foreach (var name in reader.Names.Where(name => name.StartsWith($"{kind}.", StringComparison.Ordinal)))
            {
                yield return new TestCaseData(file, name).SetArgDisplayNames($"{Path.GetFileName(file)} {name}");
            }
        }
    }

    [TestCaseSource(nameof(Recordings), new object[] { "logits" })]
    public void Logits_are_those_of_transformers(string file, string name)
    {
        using var scope = NewDisposeScope();
        using var model = Load(file, name);
        using var recorded = SafetensorsReader.Open(GoldenFolder.PathOf(file));
        using var grad = no_grad();
        var ids = recorded.Read("input_ids").to(int64);

        Closeness.Assert(file, name, model.forward(ids), recorded.Read(name), Tolerance);

        using var cache = new KeyValueCache(model.Config);
        var parts = ids.split([9, 1, 1, ids.shape[1] - 11], 1).Select(part => model.forward(part, cache)).ToArray();
        Closeness.Assert(file, name, cat(parts, 1), recorded.Read(name), Tolerance);
    }

    [TestCaseSource(nameof(Recordings), new object[] { "greedy" })]
    public void Greedy_continuations_are_those_of_transformers(string file, string name)
    {
        const int prompt = 8;
        using var scope = NewDisposeScope();
        using var model = Load(file, name);
        using var recorded = SafetensorsReader.Open(GoldenFolder.PathOf(file));
        var tokens = recorded.Read(name).to(int64).data<long>().ToArray();

        var continued = model.Generate(tokens[..prompt], tokens.Length - prompt);

        Assert.That(continued, Is.EqualTo(tokens[prompt..]));
    }

    private static LlamaForCausalLM Load(string file, string name)
    {
        if (!name.EndsWith($".{Float32}", StringComparison.Ordinal))
        {
            Skip.NotLanded("4 (quantized layers)");
        }

        return LlamaForCausalLM.Load(GoldenFolder.PathOf(file[..^FileEnd.Length]), float32);
    }
}
