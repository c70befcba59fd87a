using NBit.HardeningTests.Inputs;
using NBit.Models;

namespace NBit.HardeningTests.Readers;

/// <summary>The tokenizer_config.json beside a BERT's vocabulary.</summary>
internal sealed class TokenizerConfigs : FileReader
{
    private readonly JsonInputs _inputs = new(
        """
        {"do_lower_case": true, "strip_accents": null, "tokenize_chinese_chars": false, "unk_token": "[UNK]",
         "cls_token": {"content": "[CLS]", "special": true}, "sep_token": "[SEP]", "pad_token": "a"}
        """,
        """{"mask_token": {"content": "[MASK]"}, "do_lower_case": false}"""
    );

    public TokenizerConfigs()
        : base("tokenizer_config.json") =>
        System.IO.File.WriteAllLines(
            Path.Combine(Folder, "vocab.txt"),
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
        );

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) => error is ModelFormatException;

    protected override void ReadFile(byte[] input) =>
        Require(WordPieceTokenizer.Load(Folder).Encode("a b").Count >= 2, "a text has no begin and end");
}
