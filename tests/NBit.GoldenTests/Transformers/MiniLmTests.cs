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
    private const string Float32 = "float32";
    private const string Cosine = "min_cosine.";

    private static IEnumerable<TestCaseData> Embeddings() =>
        GoldenTensors
            .Of(Recording)
            .Names.Where(name => name.StartsWith("embedding.", StringComparison.Ordinal))
            .Select(name => new TestCaseData(name).SetArgDisplayNames(name));

    private static IEnumerable<TestCaseData> Cosines() =>
        GoldenFolder
            .Json(Sentences)
            .EnumerateObject()
            .Where(entry => entry.Name.StartsWith(Cosine, StringComparison.Ordinal))
            .Select(entry => new TestCaseData(entry.Name[Cosine.Length..], entry.Value.GetDouble()));

    private static IEnumerable<TestCaseData> Texts() =>
        GoldenFolder
            .Json(Sentences)
            .Items("sentences")
            .Select((sentence, row) => new TestCaseData(sentence.GetString(), row));

    [TestCaseSource(nameof(Embeddings))]
    public void Embeddings_are_those_of_transformers(string name)
    {
        using var scope = NewDisposeScope();
        var answer = GoldenAnswer.Of(Recording, name, TransformersReadme.Of);
        if (answer.NotCompared is { } rule)
        {
            Skip.Differs(rule);
        }

        answer.Check(Embed(name.Split('.')[1]));
    }

    [TestCaseSource(nameof(Cosines))]
    public void Embeddings_are_as_near_to_float32_as_those_of_bitsandbytes(string mode, double recorded)
    {
        const double margin = 1e-4;
        using var scope = NewDisposeScope();
        var exact = GoldenTensors.Of(Recording).Read($"embedding.{Float32}");
        var cosines = nn.functional.cosine_similarity(exact, Embed(mode), dim: 1);
        Assert.That(cosines.min().item<float>(), Is.GreaterThanOrEqualTo(recorded - margin));
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

    private static Tensor Embed(string mode)
    {
        string[] texts = [.. Texts().Select(text => (string)text.Arguments[0]!)];
        if (mode == Float32)
        {
            using var plain = SentenceEmbedder.Load(ModelsFolder.PathOf(Model), float32);
            return plain.Embed(texts);
        }

        using var folder = new QuantizedFolder(ModelsFolder.PathOf(Model), mode);
        using var embedder = SentenceEmbedder.Load(folder.Root, folder.Dtype);
        return embedder.Embed(texts);
    }
}
