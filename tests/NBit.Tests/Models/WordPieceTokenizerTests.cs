using NBit.Models;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;

namespace NBit.Tests.Models;

/// <summary>The rules of Hugging Face's BertNormalizer, BertPreTokenizer and WordPiece, token by token.</summary>
public sealed class WordPieceTokenizerTests : DisposeScopeFixture
{
    private static readonly string[] Vocabulary =
    [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "cafe",
        "caf",
        "##e",
        "Cafe",
        "##s",
        "北",
        "京",
        "xyz",
        "don",
        "'",
        "t",
        "$",
        "5",
        "a",
        "##b",
        "##c",
        ".",
        "ab",
        "¡",
    ];

    private static IEnumerable<TestCaseData> Texts()
    {
        yield return Case("", "nothing");
        yield return Case(" \t\n\u00a0\u3000", "space alone");
        yield return Case("CAFE cafes", "lower case and pieces", "cafe", "cafe", "##s");
        yield return Case("Café cafe\u0301", "accents, composed or not", "cafe", "cafe");
        yield return Case("北京", "Chinese", "北", "京");
        yield return Case("x\u200by\u0000z\ufffd", "control characters vanish", "xyz");
        yield return Case("don't $5.", "ASCII's symbols are punctuation", "don", "'", "t", "$", "5", ".");
        yield return Case("¡cafe", "punctuation beyond ASCII", "¡", "cafe");
        yield return Case("abc abd", "longest pieces first, else unknown as a whole", "ab", "##c", "[UNK]");
        yield return Case("cafe 😀 cafe😀", "beyond U+FFFF: unknown, not lost", "cafe", "[UNK]", "[UNK]");
        yield return Case(
            "cafe [SEP] [sep]",
            "special tokens by their exact name",
            "cafe",
            "[SEP]",
            "[UNK]",
            "[UNK]",
            "[UNK]"
        );
        yield return Case("cafe\ud800cafe", "half of a surrogate pair vanishes", "[UNK]");
        yield return Case(new string('a', 101), "words beyond 100 characters", "[UNK]");

        static TestCaseData Case(string text, string name, params string[] tokens) =>
            new TestCaseData(text, tokens).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Texts))]
    public void A_text_has_the_tokens_of_its_rules(string text, string[] tokens)
    {
        using var folder = Folder();

        var encoded = WordPieceTokenizer.Load(folder.Path).Encode(text).Select(token => Vocabulary[token]);

        Assert.That(encoded, Is.EqualTo((string[])["[CLS]", .. tokens, "[SEP]"]));
    }

    [TestCase("""{"do_lower_case": false}""", "Cafe Café", new[] { "Cafe", "[UNK]" })]
    [TestCase("""{"do_lower_case": false, "strip_accents": true}""", "Café", new[] { "Cafe" })]
    [TestCase("""{"strip_accents": false}""", "CAFE Café", new[] { "cafe", "[UNK]" })]
    [TestCase("""{"tokenize_chinese_chars": false}""", "北 北京", new[] { "北", "[UNK]" })]
    [TestCase("""{"unk_token": {"content": "cafe"}, "sep_token": "."}""", "é", new[] { "cafe" }, ".")]
    public void The_config_decides(string config, string text, string[] tokens, string end = "[SEP]")
    {
        using var folder = Folder();
        File.WriteAllText(folder.File("tokenizer_config.json"), config);

        var encoded = WordPieceTokenizer.Load(folder.Path).Encode(text).Select(token => Vocabulary[token]);

        Assert.That(encoded, Is.EqualTo((string[])["[CLS]", .. tokens, end]));
    }

    [Test]
    public void A_batch_is_padded_and_leaves_two_tensors()
    {
        using var folder = Folder();
        var tokenizer = WordPieceTokenizer.Load(folder.Path);
        var batch = tokenizer.EncodeBatch(["a"]);

        TensorCount.AssertChangedBy(2, () => batch = tokenizer.EncodeBatch(["cafe", "a . a", ""]));

        Assert.That(
            batch.Ids.data<long>().ToArray(),
            Is.EqualTo(new long[] { 2, 5, 3, 0, 0, 2, 18, 21, 18, 3, 2, 3, 0, 0, 0 })
        );
        Assert.That(
            batch.Mask.data<long>().ToArray(),
            Is.EqualTo(new long[] { 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0 })
        );
        Assert.That(batch.Mask.shape, Is.EqualTo(new long[] { 3, 5 }));
        Assert.Throws<ArgumentException>(() => tokenizer.EncodeBatch([]));
    }

    [Test]
    public void A_text_that_is_too_long_for_the_model_is_named()
    {
        using var folder = TinyModels.Folder(TinyModels.BertJson);
        File.WriteAllLines(folder.File("vocab.txt"), Vocabulary);
        using var embedder = SentenceEmbedder.Load(folder.Path);

        TensorCount.AssertChangedBy(1, () => embedder.Embed(["cafe", "a a a"]));
        var error = Assert.Throws<ArgumentException>(() =>
            embedder.Embed(["cafe", string.Join(' ', Enumerable.Repeat("a", 15))])
        );
        Assert.That(error!.Message, Does.Contain("text 2 has 17 tokens").And.Contain("takes 16"));
    }

    [Test]
    public void A_vocabulary_without_special_tokens_or_none_at_all_is_refused()
    {
        using var folder = new TemporaryDirectory();
        Assert.That(
            Assert.Throws<FileNotFoundException>(() => WordPieceTokenizer.Load(folder.Path))!.Message,
            Does.Contain(folder.File("vocab.txt"))
        );

        File.WriteAllLines(folder.File("vocab.txt"), Vocabulary.Where(token => token is not ("[CLS]" or "[MASK]")));
        Assert.That(
            Assert.Throws<ModelFormatException>(() => WordPieceTokenizer.Load(folder.Path))!.Message,
            Does.Contain("no line '[CLS]', '[MASK]'")
        );
    }

    private static TemporaryDirectory Folder()
    {
        var folder = new TemporaryDirectory();
        File.WriteAllLines(folder.File("vocab.txt"), Vocabulary);
        return folder;
    }
}
