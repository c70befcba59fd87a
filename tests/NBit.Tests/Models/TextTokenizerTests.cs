using System.Text;
using System.Text.Json;
using NBit.Models;
using NBit.Tests.Checkpoints;

namespace NBit.Tests.Models;

public sealed class TextTokenizerTests
{
    private const int FirstPiece = 3 + 256;

    private const string Split = """
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
          {"type": "Split", "pattern": {"Regex": " ?[a-z]+|[^a-z]"}, "behavior": "Isolated", "invert": false},
          {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
        """;

    private const string Begin = """
        "post_processor": {"type": "Sequence", "processors": [
          {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
          {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
             {"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}}]},
        """;

    [Test]
    public void SentencePiece_models_are_read(
        [Values(null, """{"add_bos_token": true}""", """{"add_bos_token": false}""")] string? config
    )
    {
        using var folder = new TemporaryDirectory();
        folder.File("tokenizer.model", SentencePieceBytes.Model("▁a", "▁ab", "▁", "a", "b", "c"));
        if (config is not null)
        {
            File.WriteAllText(folder.File("tokenizer_config.json"), config);
        }

        var tokenizer = TextTokenizer.Load(folder.Path);
        var tokens = tokenizer.Encode("ab cé");

        long[] begin = config is null || config.Contains("true", StringComparison.Ordinal) ? [1] : [];
        long[] text = [FirstPiece + 1, FirstPiece + 2, FirstPiece + 5, 3 + 0xc3, 3 + 0xa9];
        Assert.That(tokens, Is.EqualTo((long[])[.. begin, .. text]));
        Assert.That(tokenizer.Decode(tokens), Is.EqualTo("ab cé"));
    }

    [Test]
    public void Text_comes_in_whole_characters_and_with_its_spaces()
    {
        using var folder = new TemporaryDirectory();
        folder.File("tokenizer.model", SentencePieceBytes.Model("▁a", "▁ab", "▁", "a", "b", "c"));
        var tokenizer = TextTokenizer.Load(folder.Path);
        long[] added = [FirstPiece + 1, FirstPiece + 2, 3 + 0xc3, 3 + 0xa9, FirstPiece + 4, 3 + 0xc3];

        var pieces = tokenizer.DecodeStream(tokenizer.Encode("ab"), added);

        Assert.That(pieces, Is.EqualTo(new[] { " ab", " ", "é", "b", "\ufffd" }));
    }

    [Test]
    public void Byte_level_BPE_is_read([Values] bool newMerges, [Values("", Begin)] string processor)
    {
        using var folder = WithJson(Json(newMerges, Split, processor));

        var tokenizer = TextTokenizer.Load(folder.Path);
        var tokens = tokenizer.Encode("abc ab<s>é");

        long[] begin = processor.Length > 0 ? [300] : [];
        Assert.That(tokens, Is.EqualTo((long[])[.. begin, 258, 257, 300, Letter(0xc3), Letter(0xa9)]));
        Assert.That(tokenizer.Decode(tokens.Skip(begin.Length)), Is.EqualTo("abc ab<s>é"));
    }

    [TestCase("""  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},  """)]
    public void A_byte_level_pre_tokenizer_alone_splits_as_GPT_2(string preTokenizer)
    {
        using var folder = WithJson(Json(newMerges: false, preTokenizer, ""));

        Assert.That(
            TextTokenizer.Load(folder.Path).Encode("ab'll ab"),
            Is.EqualTo(new long[] { 256, Letter('\''), Letter('l'), Letter('l'), 257 })
        );
    }

    [TestCase("""  "pre_tokenizer": {"type": "Metaspace"},  """, "'Metaspace'")]
    [TestCase("""  "pre_tokenizer": null,  """, "0 ByteLevel")]
    [TestCase("""  "normalizer": {"type": "NFC"},  """ + Split, "the normalizer is 'NFC'")]
    [TestCase(
        """
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
              {"type": "Split", "pattern": {"String": " "}}, {"type": "ByteLevel"}]},
            """,
        "no regular expression"
    )]
    public void Other_tokenizers_are_refused_by_name(string fields, string expected)
    {
        using var folder = WithJson(Json(newMerges: false, fields, ""));

        var error = Assert.Throws<NotSupportedException>(() => TextTokenizer.Load(folder.Path));
        Assert.That(error!.Message, Does.StartWith(folder.File("tokenizer.json")).And.Contain(expected));
    }

    [TestCase("\"BPE\"", "\"Unigram\"", "the model is 'Unigram'")]
    [TestCase("\"byte_fallback\": false", "\"byte_fallback\": true", "byte_fallback is on")]
    public void Other_models_are_refused_by_name(string old, string changed, string expected)
    {
        using var folder = WithJson(Json(newMerges: false, Split, "").Replace(old, changed, StringComparison.Ordinal));

        var error = Assert.Throws<NotSupportedException>(() => TextTokenizer.Load(folder.Path));
        Assert.That(error!.Message, Does.Contain(expected));
    }

    [TestCase("tokenizer.json", "{")]
    [TestCase("tokenizer.json", "{}")]
    [TestCase("tokenizer.json", """{"model": {"type": "BPE", "vocab": []}, "pre_tokenizer": {"type": "ByteLevel"}}""")]
    [TestCase(
        "tokenizer.json",
        """{"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": []}, "pre_tokenizer": {"type": "ByteLevel"}}"""
    )]
    [TestCase(
        "tokenizer.json",
        """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [[]]}, "pre_tokenizer": {"type": "ByteLevel"}}"""
    )]
    [TestCase(
        "tokenizer.json",
        """
            {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "pre_tokenizer": {"type": "ByteLevel"},
             "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}]}}
            """
    )]
    [TestCase("tokenizer.model", "not a model")]
    public void A_damaged_file_is_named(string file, string content)
    {
        using var folder = new TemporaryDirectory();
        File.WriteAllText(folder.File(file), content);

        var error = Assert.Throws<ModelFormatException>(() => TextTokenizer.Load(folder.Path));
        Assert.That(error!.Message, Does.StartWith(folder.File(file)));
    }

    [TestCase("")]
    [TestCase("[a-z]*")]
    [TestCase("\\\\b")]
    [CancelAfter(20_000)]
    public void An_expression_that_finds_nothing_comes_to_an_end(string pattern, CancellationToken cancellation)
    {
        using var folder = WithJson(
            Json(newMerges: true, Split, "").Replace(" ?[a-z]+|[^a-z]", pattern, StringComparison.Ordinal)
        );
        var tokenizer = TextTokenizer.Load(folder.Path);

        var encoding = Task.Run(() => tokenizer.Encode("ab ab"), cancellation);
        Assert.That(() => encoding.WaitAsync(cancellation), Throws.Nothing);
    }

    [Test]
    public void A_folder_without_a_tokenizer_is_refused()
    {
        using var folder = new TemporaryDirectory();

        var error = Assert.Throws<FileNotFoundException>(() => TextTokenizer.Load(folder.Path));
        Assert.That(error!.Message, Does.Contain("tokenizer.model").And.Contain("give tokens"));
    }

    private static TemporaryDirectory WithJson(string json)
    {
        var folder = new TemporaryDirectory();
        File.WriteAllText(folder.File("tokenizer.json"), json);
        return folder;
    }

    // The bytes' letters, then ab, " ab" and abc, then the added token.
    private static string Json(bool newMerges, string preTokenizer, string processor)
    {
        var tokens = Enumerable.Range(0, 256).Select(value => $"{ByteLetters[value]}").Concat(["ab", "Ġab", "abc"]);
        var vocabulary = JsonSerializer.Serialize(
            tokens
                .Select((token, id) => (token, id))
                .ToDictionary(entry => entry.token, entry => entry.id, StringComparer.Ordinal)
        );
        var merges = newMerges ? """[["a", "b"], ["Ġ", "ab"], ["ab", "c"]]""" : """["a b", "Ġ ab", "ab c"]""";
        return $$"""
            { {{preTokenizer}} {{processor}}
              "added_tokens": [{"id": 300, "content": "<s>", "special": true}],
              "model": {"type": "BPE", "byte_fallback": false, "ignore_merges": true, "vocab": {{vocabulary}},
                "merges": {{merges}}}
            }
            """;
    }

    private static long Letter(int value) => value; // the vocabulary has the bytes in order

    // GPT-2's letters for bytes: printable ones stand for themselves, the others follow from U+0100 on.
    private static readonly Rune[] ByteLetters = MakeByteLetters();

    private static Rune[] MakeByteLetters()
    {
        var next = 0x100;
        return
        [
            .. Enumerable
                .Range(0, 256)
                .Select(value =>
                    value is (>= 0x21 and <= 0x7e) or (>= 0xa1 and <= 0xac) or (>= 0xae and <= 0xff)
                        ? new Rune(value)
                        : new Rune(next++)
                ),
        ];
    }
}
