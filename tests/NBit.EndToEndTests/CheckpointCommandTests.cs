using System.Globalization;
using System.Text;
using System.Text.Json;
using NBit.Testing;

namespace NBit.EndToEndTests;

/// <summary>inspect, embed and generate, on folders that are made by hand.</summary>
public sealed class CheckpointCommandTests
{
    private const string Tool = "NBit.Cli";
    private const int Size = 8;
    private const int Vocabulary = 12;

    private string _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nbit-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Inspect_shows_tensors_and_quantized_layers()
    {
        const string state = """{"quant_type": "nf4", "shape": [4, 6]}""";
        Save(
            ("a.weight", "U8", [12, 1], new byte[12]),
            ("a.weight.absmax", "F32", [1], new byte[4]),
            ("a.weight.quant_state.bitsandbytes__nf4", "U8", [state.Length], Encoding.UTF8.GetBytes(state)),
            ("b", "F16", [2, 3], new byte[12])
        );

        var table = ChildProcess.Run(Tool, ["inspect", _folder]);
        var json = ChildProcess.Run(Tool, ["inspect", Path.Combine(_folder, "model.safetensors"), "--json"]);

        Assert.That(table.ExitCode + json.ExitCode, Is.Zero, table.Error + json.Error);
        Assert.That(table.Output, Does.Match(@"│ b +│ F16 +│ \[2, 3\] +│ +12 │"));
        Assert.That(table.Output, Does.Match(@"│ a +│ nf4 +│ \[4, 6\] +│ +54 │ +18.00 │"));
        Assert.That(table.Output, Does.Contain("4 tensors, 30 parameters in 66 bytes: 17.60 bits each"));
        var root = JsonDocument.Parse(json.Output).RootElement;
        Assert.That(root.GetProperty("tensors").GetArrayLength(), Is.EqualTo(4));
        Assert.That(root.GetProperty("quantized_layers")[0].GetProperty("format").GetString(), Is.EqualTo("nf4"));
        Assert.That(root.GetProperty("bits_per_parameter").GetDouble(), Is.EqualTo(17.6).Within(1e-9));
    }

    [Test]
    public void Quantize_writes_a_checkpoint_in_few_bits_and_says_how_far_off_it_is(
        [Values("nf4", "nf4-dq", "fp4", "fp4-dq", "int8")] string mode
    )
    {
        const int width = 64;
        WriteConfig("LlamaForCausalLM", "");
        Save(
            ("model.embed_tokens.weight", "F32", [width, width], Floats(width * width, i => i % 7)),
            ("model.layers.0.mlp.up_proj.weight", "F32", [width, width], Floats(width * width, i => (i % 7) - 3)),
            ("model.layers.0.mlp.down_proj.weight", "F32", [width, width], Floats(width * width, i => (i % 5) - 2)),
            ("model.norm.weight", "F32", [width], Floats(width, _ => 1))
        );
        var output = Path.Combine(_folder, "quantized");

        var quantize = ChildProcess.Run(
            Tool,
            ["quantize", _folder, output, "--mode", mode, "--ignore", "model.layers.0.mlp.down"]
        );
        var inspect = ChildProcess.Run(Tool, ["inspect", output, "--json"]);
        var again = ChildProcess.Run(Tool, ["quantize", output, Path.Combine(_folder, "again")]);

        Assert.That(quantize.ExitCode + inspect.ExitCode, Is.Zero, quantize.Error + inspect.Error);
        Assert.That(
            quantize.Output,
            Does.Match(@"│ model\.layers\.0\.mlp\.up_proj +│ \[64, 64\] +│ +16,384 │ +[0-9,]+ │ +[0-9.]+ ?% │")
        );
        Assert.That(quantize.Output, Does.Contain($"1 layers in {mode}: "));
        var layers = JsonDocument.Parse(inspect.Output).RootElement.GetProperty("quantized_layers");
        Assert.That(layers.GetArrayLength(), Is.EqualTo(1));
        Assert.That(layers[0].GetProperty("format").GetString(), Is.EqualTo(mode));
        var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "config.json"))).RootElement;
        var quantization = config.GetProperty("quantization_config");
        Assert.That(quantization.GetProperty("load_in_8bit").GetBoolean(), Is.EqualTo(mode == "int8"));
        Assert.That(
            quantization.GetProperty("llm_int8_skip_modules")[0].GetString(),
            Is.EqualTo("model.layers.0.mlp.down")
        );
        Assert.That(
            (again.ExitCode, again.Error),
            Is.EqualTo(
                (1, $"nbit: {output} is quantized already: model.layers.0.mlp.up_proj is {mode} (Parameter 'input')\n")
            )
        );
    }

    [Test]
    public void Generate_streams_tokens_and_says_what_is_wrong()
    {
        // Every hidden state is its token's embedding, whose product with the tied embeddings is largest where the
        // next token's row is the longest in its direction: with rows of the same direction, always the last token.
        WriteConfig("LlamaForCausalLM", """  "tie_word_embeddings": true, "max_position_embeddings": 20,  """);
        string[] attention = ["q_proj", "k_proj", "v_proj", "o_proj"];
        Save([
            ("model.embed_tokens.weight", "F32", [Vocabulary, Size], Floats(Vocabulary * Size, i => 1 + (i / Size))),
            Ones("model.norm.weight", Size),
            Ones("model.layers.0.input_layernorm.weight", Size),
            Ones("model.layers.0.post_attention_layernorm.weight", Size),
            .. attention.Select(name => Zeros($"model.layers.0.self_attn.{name}.weight", Size, Size)),
            .. ((string[])["gate_proj", "up_proj", "down_proj"]).Select(name =>
                Zeros($"model.layers.0.mlp.{name}.weight", Size, Size)
            ),
        ]);

        var greedy = ChildProcess.Run(
            Tool,
            ["generate", "--model", _folder, "--tokens", "1,2 3", "--max-new-tokens", "4"]
        );
        string[] draw =
        [
            "generate",
            "--model",
            _folder,
            "--tokens",
            "1",
            "--max-new-tokens",
            "8",
            "--temperature",
            "50",
        ];
        var drawn = ChildProcess.Run(Tool, [.. draw, "--seed", "4", "--top-k", "3"]);
        var tooLong = ChildProcess.Run(Tool, ["generate", "--model", _folder, "--tokens", "1"]);
        var noTokenizer = ChildProcess.Run(Tool, ["generate", "--model", _folder, "--prompt", "a"]);
        var neither = ChildProcess.Run(Tool, ["generate", "--model", _folder]);

        Assert.That(greedy.Output, Is.EqualTo("11 11 11 11\n"), greedy.Error);
        var tokens = drawn
            .Output.Trim()
            .Split(' ')
            .Select(text => int.Parse(text, CultureInfo.InvariantCulture))
            .ToArray();
        Assert.That(tokens, Has.Length.EqualTo(8).And.All.InRange(9, 11));
        Assert.That(tokens.Distinct().Count(), Is.GreaterThan(1));
        Assert.That(
            tooLong.Error,
            Does.StartWith("nbit: 1 tokens of prompt and 128 new ones are more than the model's 20")
        );
        Assert.That(noTokenizer.Error, Does.Contain("no tokenizer.model"));
        Assert.That(neither.Error, Does.Contain("--tokens or --prompt"));
        Assert.That(new[] { tooLong, noTokenizer, neither }.Select(result => result.ExitCode), Is.All.Not.Zero);
    }

    [Test]
    public void Embed_prints_a_line_of_JSON_for_each_text_or_a_table_of_cosines()
    {
        WriteConfig("BertModel", """  "max_position_embeddings": 6, "type_vocab_size": 1,  """);
        string[] words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cafe", "a", "b", "c", "d", "e", "f"];
        File.WriteAllLines(Path.Combine(_folder, "vocab.txt"), words);
        string[] linear =
        [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
        ];
        string[] norms =
        [
            "embeddings.LayerNorm",
            "encoder.layer.0.attention.output.LayerNorm",
            "encoder.layer.0.output.LayerNorm",
        ];
        Save([
            ("embeddings.word_embeddings.weight", "F32", [Vocabulary, Size], Floats(96, i => i * i % 7)),
            Zeros("embeddings.position_embeddings.weight", 6, Size),
            Zeros("embeddings.token_type_embeddings.weight", 1, Size),
            .. norms.SelectMany(name => new[] { Ones($"{name}.weight", Size), Zeros($"{name}.bias", Size) }),
            .. linear.SelectMany(name =>
                new[]
                {
                    Zeros($"encoder.layer.0.{name}.weight", Size, Size),
                    Zeros($"encoder.layer.0.{name}.bias", Size),
                }
            ),
        ]);

        var lines = ChildProcess.Run(Tool, ["embed", "--model", _folder, "Café", "cafe", "a \"b\""]);
        var table = ChildProcess.Run(Tool, ["embed", "--model", _folder, "--similarity", "Café", "cafe", "a b"]);
        var wrong = ChildProcess.Run(Tool, ["generate", "--model", _folder, "--tokens", "1"]);

        Assert.That(lines.ExitCode + table.ExitCode, Is.Zero, lines.Error + table.Error);
        var rows = lines.Output.Trim().Split('\n').Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        var vectors = rows.Select(row =>
                row.GetProperty("embedding").EnumerateArray().Select(number => number.GetDouble()).ToArray()
            )
            .ToArray();
        Assert.That(
            rows.Select(row => row.GetProperty("text").GetString()),
            Is.EqualTo(new[] { "Café", "cafe", "a \"b\"" })
        );
        Assert.That(vectors.Select(vector => vector.Sum(x => x * x)), Is.All.EqualTo(1).Within(1e-5));
        Assert.That(vectors[0], Is.EqualTo(vectors[1]).Within(1e-6), "accents are removed");
        Assert.That(vectors[2], Is.Not.EqualTo(vectors[1]).Within(1e-3));
        Assert.That(table.Output, Does.Match(@"│ 2 │ cafe +│ 1.000 │ 1.000 │ +-?0\.\d{3} │"));
        Assert.That(wrong.Error, Does.Contain("holds a BertModel, not a LlamaForCausalLM"));
    }

    private static (string, string, long[], byte[]) Ones(string name, params long[] shape) =>
        (name, "F32", shape, Floats(shape.Aggregate(1, (product, size) => product * (int)size), _ => 1));

    private static (string, string, long[], byte[]) Zeros(string name, params long[] shape) =>
        (name, "F32", shape, Floats(shape.Aggregate(1, (product, size) => product * (int)size), _ => 0));

    private static byte[] Floats(int count, Func<int, float> value) =>
        [.. Enumerable.Range(0, count).SelectMany(i => BitConverter.GetBytes(value(i)))];

    private void WriteConfig(string architecture, string fields) =>
        File.WriteAllText(
            Path.Combine(_folder, "config.json"),
            $$"""
            { {{fields}} "architectures": ["{{architecture}}"], "vocab_size": {{Vocabulary}}, "hidden_size": {{Size}},
              "intermediate_size": {{Size}}, "num_hidden_layers": 1, "num_attention_heads": 2 }
            """
        );

    private void Save(params (string Name, string Dtype, long[] Shape, byte[] Data)[] tensors)
    {
        var end = 0;
        var entries = new List<string>();
        foreach (var (name, dtype, shape, data) in tensors)
        {
            var (begin, sizes) = (end, string.Join(',', shape));
            end += data.Length;
            entries.Add(
                $$"""  "{{name}}": {"dtype": "{{dtype}}", "shape": [{{sizes}}], "data_offsets": [{{begin}},{{end}}]}"""
            );
        }

        var json = Encoding.UTF8.GetBytes($"{{{string.Join(',', entries)}}}");
        File.WriteAllBytes(
            Path.Combine(_folder, "model.safetensors"),
            [.. BitConverter.GetBytes((long)json.Length), .. json, .. tensors.SelectMany(tensor => tensor.Data)]
        );
    }
}
