using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Models;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Transformers;

/// <summary>all-MiniLM-L6-v2 as transformers runs it: tokens and sentence embeddings, by the form of the
/// weights.</summary>
public sealed class MiniLmTests
{
    private const string Recording = "transformers/minilm-embeddings.safetensors";
    private const string Sentences = "transformers/minilm.json";
    private const string Model = "all-MiniLM-L6-v2";
    private const string Float32 = "embedding.float32";

    // Max abs error of an embedding in float32, whatever rounding order libtorch takes (README of the folder).
    private const double Tolerance = 2e-5;

    private static IEnumerable<TestCaseData> Embeddings()
    {
        foreach (var file in Recordings())
        {
            using var reader = SafetensorsReader.Open(GoldenFolder.PathOf(file));
            foreach (var name in reader.Names.Where(name => name.StartsWith("embedding.", StringComparison.Ordinal)))
            {
                yield return new TestCaseData(name).SetArgDisplayNames(name);
            }
        }
    }

    private static IEnumerable<TestCaseData> Texts() =>
        GoldenFolder
            .Json(Sentences)
            .Items("sentences")
            .Select((sentence, row) => new TestCaseData(sentence.GetString(), row));

    [TestCaseSource(nameof(Embeddings))]
    public void Embeddings_are_those_of_transformers(string name)
    {
        if (name != Float32)
        {
            Skip.NotLanded("4 (quantized layers)");
        }

        using var scope = NewDisposeScope();
        using var embedder = SentenceEmbedder.Load(ModelsFolder.PathOf(Model), float32);
        using var recorded = SafetensorsReader.Open(GoldenFolder.PathOf(Recording));
        string[] texts = [.. Texts().Select(text => (string)text.Arguments[0]!)];

        Closeness.Assert(Recording, name, embedder.Embed(texts), recorded.Read(name), Tolerance);
    }

    [TestCaseSource(nameof(Texts))]
    public void Tokens_are_those_of_transformers(string text, int row)
    {
        using var scope = NewDisposeScope();
        using var recorded = SafetensorsReader.Open(GoldenFolder.PathOf(Recording));
        var mask = recorded.Read("attention_mask")[row].to(@bool);
        var expected = recorded.Read("input_ids")[row].masked_select(mask).data<int>().ToArray();

        Assert.That(WordPieceTokenizer.Load(ModelsFolder.PathOf(Model)).Encode(text), Is.EqualTo(expected));
    }

    private static IEnumerable<string> Recordings() =>
        GoldenFolder.Files(Path.GetDirectoryName(Recording)!, Path.GetFileName(Recording));

    [TestCaseSource(nameof(Recordings))]
    public void Texts_of_a_batch_are_padded_and_masked_as_by_transformers(string file)
    {
        using var scope = NewDisposeScope();
        using var recorded = SafetensorsReader.Open(GoldenFolder.PathOf(file));
        var tokenizer = WordPieceTokenizer.Load(ModelsFolder.PathOf(Model));

        var (ids, mask) = tokenizer.EncodeBatch([.. Texts().Select(text => (string)text.Arguments[0]!)]);

        Assert.That(ids.eq(recorded.Read("input_ids")).all().item<bool>(), Is.True);
        Assert.That(mask.eq(recorded.Read("attention_mask")).all().item<bool>(), Is.True);
    }
}
