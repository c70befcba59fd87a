using NBit.HardeningTests.Inputs;
using NBit.Models;

namespace NBit.HardeningTests.Readers;

/// <summary>The tokenizer.json of a byte-level BPE.</summary>
internal sealed class Tokenizers() : FileReader("tokenizer.json")
{
    private readonly JsonInputs _inputs = new(
        """
        {"added_tokens": [{"id": 300, "content": "<s>", "special": true}], "normalizer": null,
         "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
           {"type": "Split", "pattern": {"Regex": " ?[a-z]+|[^a-z]"}, "behavior": "Isolated"}, {"type": "ByteLevel"}]},
         "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"},
           {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {}}]}]},
         "model": {"type": "BPE", "byte_fallback": false, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}}
        """,
        """
        {"pre_tokenizer": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2},
         "merges": ["a b"]}}
        """
    );

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) =>
        error is ModelFormatException || error.GetType() == typeof(NotSupportedException);

    protected override void ReadFile(byte[] input) =>
        Require(TextTokenizer.Load(Folder).Encode("ab") is not null, "it gives no tokens");
}
