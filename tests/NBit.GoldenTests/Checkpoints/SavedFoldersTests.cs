using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Models;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Checkpoints;

/// <summary>Folders that transformers wrote: what was loaded is saved byte for byte, also after it ran.</summary>
public sealed class SavedFoldersTests
{
    private const string Weights = "model.safetensors";

    private static IEnumerable<string> Folders() =>
        Directory.Exists(GoldenFolder.PathOf("transformers"))
            ? Directory
                .EnumerateDirectories(GoldenFolder.PathOf("transformers"))
                .Where(folder => File.Exists(Path.Combine(folder, Weights)))
                .Select(folder => Path.GetFileName(folder)!)
                .Order(StringComparer.Ordinal)
            : [];

    [TestCaseSource(nameof(Folders))]
    public void A_folder_is_saved_as_it_was_loaded(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var saved = new TemporaryFolder();
        var folder = GoldenFolder.PathOf($"transformers/{name}");
        using var model = PretrainedModel.Load(folder, StoredDtype(folder));
        ModelFile.Save(model, saved.PathOf("before"));

        Run(model);

        ModelFile.Save(model, saved.PathOf("after"));
        SavedTensors.AssertSame(Path.Combine(folder, Weights), saved.PathOf("before"));
        SavedTensors.AssertSame(saved.PathOf("before"), saved.PathOf("after"));
    }

    // What is not quantized is saved in the dtype of the model.
    private static ScalarType StoredDtype(string folder)
    {
        using var stored = TensorSource.Open(folder);
        return stored
            .Entries.Where(entry => entry.Name.EndsWith("norm.weight", StringComparison.OrdinalIgnoreCase))
            .Select(entry => entry.DataType.ToScalarType()!.Value)
            .First();
    }

    private static void Run(nn.Module model)
    {
        var ids = arange(1, 9, int64).view(1, -1);
        using var output = model switch
        {
            LlamaForCausalLM llama => llama.forward(ids),
            BertModel bert => bert.forward(ids, ones_like(ids)),
            _ => throw new ArgumentException($"a {model.GetType().Name} is a model that this test does not know"),
        };
        Assert.That(output.isfinite().all().item<bool>(), Is.True);
    }
}
