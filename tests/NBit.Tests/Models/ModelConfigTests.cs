using NBit.Models;
using NBit.Tests.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Models;

public sealed class ModelConfigTests
{
    [Test]
    public void Missing_fields_have_the_defaults_of_transformers()
    {
        var config = TinyModels.Config<LlamaConfig>(
            """
            {"architectures": ["LlamaForCausalLM"], "vocab_size": 40, "hidden_size": 24, "intermediate_size": 20,
             "num_hidden_layers": 2, "num_attention_heads": 4}
            """
        );

        Assert.That((config.KeyValueHeads, config.HeadSize, config.MaxPositions), Is.EqualTo((4L, 6L, 2048L)));
        Assert.That(config.Rotary, Is.EqualTo(new RotaryConfig { Theta = 10_000, Scaling = "default" }));
        Assert.That((config.RmsNormEpsilon, config.Activation), Is.EqualTo((1e-6, "silu")));
        Assert.That(config.AttentionBias || config.FeedForwardBias || config.TiedEmbeddings, Is.False);
        Assert.That(
            (config.Dtype, config.Quantization, config.EndTokens.Length),
            Is.EqualTo((null as ScalarType?, null as BitsandbytesConfig, 0))
        );
    }

    [TestCase("""  "torch_dtype": "bfloat16", "rope_theta": 500000.0, "rope_scaling": null,  """)]
    [TestCase("""  "dtype": "bfloat16", "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},  """)]
    [TestCase("""  "dtype": "torch.bfloat16", "rope_theta": 500000,  """)]
    public void Old_and_new_forms_mean_the_same(string fields)
    {
        var config = TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson, fields);

        Assert.That(config.Dtype, Is.EqualTo(bfloat16));
        Assert.That(config.Rotary, Is.EqualTo(new RotaryConfig { Theta = 500_000 }));
    }

    [TestCase("""  "rope_theta": 1e6, "rope_scaling": {"type": "linear", "factor": 4},  """)]
    [TestCase("""  "rope_parameters": {"rope_theta": 1e6, "rope_type": "linear", "factor": 4.0},  """)]
    public void Linear_scaling_is_read_in_both_forms(string fields) =>
        Assert.That(
            TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson, fields).Rotary,
            Is.EqualTo(
                new RotaryConfig
                {
                    Theta = 1e6,
                    Scaling = "linear",
                    Factor = 4,
                }
            )
        );

    [TestCase("2", new long[] { 2 })]
    [TestCase("[2, 5]", new long[] { 2, 5 })]
    [TestCase("null", new long[0])]
    public void End_tokens_are_one_or_several(string json, long[] expected) =>
        Assert.That(
            TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson, $"\"eos_token_id\": {json},").EndTokens,
            Is.EqualTo(expected)
        );

    [Test]
    public void Quantization_is_read_field_by_field()
    {
        var config = TinyModels.Config<LlamaConfig>(
            TinyModels.LlamaJson,
            """
            "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true, "load_in_8bit": false,
              "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true, "bnb_4bit_compute_dtype": "bfloat16",
              "bnb_4bit_quant_storage": "uint8", "llm_int8_threshold": 5.5, "llm_int8_skip_modules": ["lm_head"],
              "_load_in_4bit": true},
            """
        );

        var quantization = config.Quantization!;
        Assert.That((quantization.LoadIn4Bit, quantization.QuantType), Is.EqualTo((true, "nf4")));
        Assert.That(quantization.DoubleQuantization, Is.True);
        Assert.That((quantization.ComputeDtype, quantization.StorageDtype), Is.EqualTo((bfloat16, uint8)));
        Assert.That(quantization.Int8Threshold, Is.EqualTo(5.5));
        Assert.That(quantization.SkippedModules, Is.EqualTo(new[] { "lm_head" }));
    }

    [Test]
    public void Quantization_without_a_method_is_bitsandbytes_with_its_defaults()
    {
        var quantization = TinyModels
            .Config<BertConfig>(TinyModels.BertJson, """  "quantization_config": {"load_in_8bit": true},  """)
            .Quantization;

        Assert.That(quantization, Is.EqualTo(new BitsandbytesConfig(false, "fp4", false, float32, uint8, 6, null)));
    }

    [TestCase("""  "quantization_config": {"quant_method": "gptq"},  """, "method 'gptq'")]
    [TestCase("""  "quantization_config": {},  """, "method 'none'")]
    [TestCase(
        """  "rope_scaling": {"type": "yarn", "factor": 2},  """,
        "rope_type is 'yarn'; supported are default, linear"
    )]
    [TestCase("""  "rope_parameters": {"rope_type": "dynamic"},  """, "rope_type is 'dynamic'")]
    public void What_is_not_supported_is_refused_by_name(string fields, string expected)
    {
        var error = Assert.Throws<NotSupportedException>(() =>
            TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson, fields)
        );
        Assert.That(error!.Message, Does.Contain(expected));
    }

    [TestCase(
        """{"architectures": ["MistralForCausalLM"]}""",
        "'MistralForCausalLM'; supported are LlamaForCausalLM, BertModel"
    )]
    [TestCase("""{"architectures": ["BertForMaskedLM", "BertModel"]}""", "'BertForMaskedLM'")]
    public void Another_architecture_is_refused_by_name(string json, string expected)
    {
        var error = Assert.Throws<NotSupportedException>(() => TinyModels.Config<LlamaConfig>(json));
        Assert.That(error!.Message, Does.Contain(expected));
    }

    [TestCase(
        """  "num_key_value_heads": 3,  """,
        "'num_key_value_heads' is 3",
        "a divisor of num_attention_heads (4)"
    )]
    [TestCase("""  "head_dim": 7,  """, "'head_dim' is 7", "even")]
    [TestCase("""  "hidden_act": "swish2",  """, "'hidden_act' is 'swish2'", "silu, gelu")]
    [TestCase("""  "hidden_act": 3,  """, "'hidden_act' is 3", "a string")]
    [TestCase("""  "rms_norm_eps": 0,  """, "'rms_norm_eps' is 0", "above 0")]
    [TestCase("""  "rms_norm_eps": 1e999,  """, "'rms_norm_eps' is 1e999", "finite")]
    [TestCase("""  "attention_bias": "yes",  """, "'attention_bias' is \"yes\"", "true or false")]
    [TestCase("""  "dtype": "int4",  """, "'dtype' is 'int4'", "bfloat16")]
    [TestCase("""  "eos_token_id": -1,  """, "'eos_token_id' is -1", "0 or more")]
    [TestCase("""  "max_position_embeddings": 1.5,  """, "'max_position_embeddings' is 1.5", "integer")]
    [TestCase("""  "rope_scaling": {"type": "linear"},  """, "'rope_scaling.factor' is missing", "must be there")]
    [TestCase("""  "rope_parameters": 3,  """, "'rope_parameters' is JSON Number", "an object")]
    [TestCase(
        """  "quantization_config": {"load_in_4bit": true, "load_in_8bit": true},  """,
        "load_in_4bit",
        "exactly one"
    )]
    [TestCase(
        """  "quantization_config": {"load_in_4bit": true, "bnb_4bit_quant_type": "nf5"},  """,
        "'quantization_config.bnb_4bit_quant_type' is 'nf5'",
        "nf4, fp4"
    )]
    public void A_wrong_field_is_named_with_what_is_allowed(string fields, string expected, string allowed)
    {
        // A key that is in the file already counts once.
        var json = TinyModels.LlamaJson;
        foreach (var given in (string[])["num_key_value_heads", "head_dim", "max_position_embeddings"])
        {
            json = fields.Contains($"\"{given}\"", StringComparison.Ordinal)
                ? json.Replace($"\"{given}\"", $"\"_{given}\"", StringComparison.Ordinal)
                : json;
        }

        var error = Assert.Throws<ModelFormatException>(() => TinyModels.Config<LlamaConfig>(json, fields));
        Assert.That(error!.Message, Does.Contain("config.json").And.Contain(expected).And.Contain(allowed));
    }

    [Test]
    public void A_missing_field_is_named(
        [Values(TinyModels.LlamaJson, TinyModels.BertJson)] string json,
        [Values(
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "architectures"
        )]
            string field
    )
    {
        var error = Assert.Throws<ModelFormatException>(() =>
            TinyModels.Config<ModelConfig>(json.Replace($"\"{field}\"", "\"x\"", StringComparison.Ordinal))
        );
        Assert.That(error!.Message, Does.Contain($"'{field}' is missing"));
    }

    [TestCase("""  "hidden_dropout_prob": 1,  """, "'hidden_dropout_prob' is 1")]
    [TestCase("""  "layer_norm_eps": -1,  """, "'layer_norm_eps' is -1")]
    [TestCase("""  "type_vocab_size": 0,  """, "'type_vocab_size' is 0")]
    public void A_wrong_field_of_BERT_is_named(string fields, string expected)
    {
        var error = Assert.Throws<ModelFormatException>(() =>
            TinyModels.Config<BertConfig>(TinyModels.BertJson, fields)
        );
        Assert.That(error!.Message, Does.Contain(expected));
    }

    [TestCase("{", "invalid JSON")]
    [TestCase("[]", "must be an object")]
    [TestCase("""{"vocab_size": 1, "vocab_size": 2}""", "invalid JSON")]
    [TestCase("""{"architectures": ["\ud800"]}""", "half of a surrogate pair")]
    [TestCase("""{"\udc00": 1}""", "half of a surrogate pair")]
    public void A_file_that_is_no_config_is_refused(string json, string expected)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("config.json"), json);

        var error = Assert.Throws<ModelFormatException>(() => ModelConfig.Load(directory.Path));
        Assert.That(error!.Message, Does.StartWith(directory.File("config.json")).And.Contain(expected));
    }

    [Test]
    public void A_folder_without_a_config_is_refused()
    {
        using var directory = new TemporaryDirectory();

        var error = Assert.Throws<FileNotFoundException>(() => ModelConfig.Load(directory.Path));
        Assert.That(error!.Message, Does.Contain(directory.File("config.json")));
    }

    // The frequencies by the piecewise form that transformers computes.
    [Test]
    public void Llama_3_stretches_long_waves_and_keeps_short_ones()
    {
        const double theta = 500_000,
            factor = 8,
            original = 8192;
        var rotary = TinyModels
            .Config<LlamaConfig>(
                TinyModels.LlamaJson,
                """
                "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0,
                  "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
                """
            )
            .Rotary;

        var frequencies = rotary.Frequencies(128);

        var kinds = new HashSet<string>(StringComparer.Ordinal);
        for (var pair = 0; pair < 64; pair++)
        {
            var plain = Math.Pow(theta, -pair / 64.0);
            var wave = 2 * Math.PI / plain;
            var smooth = ((original / wave) - 1) / 3;
            var (kind, expected) =
                wave < original / 4 ? ("kept", plain)
                : wave > original ? ("stretched", plain / factor)
                : ("between", ((1 - smooth) * plain / factor) + (smooth * plain));
            kinds.Add(kind);
            Assert.That(frequencies[pair], Is.EqualTo(expected).Within(1e-6 * expected), $"pair {pair}, {kind}");
        }

        Assert.That(kinds, Has.Count.EqualTo(3), "every kind was met");
    }

    [Test]
    public void Linear_scaling_divides_every_frequency()
    {
        var plain = new RotaryConfig().Frequencies(8);
        var scaled = new RotaryConfig { Scaling = "linear", Factor = 4 }.Frequencies(8);

        Assert.That(plain, Is.EqualTo(new[] { 1f, 0.1f, 0.01f, 0.001f }).Within(1e-8f));
        Assert.That(scaled, Is.EqualTo(plain.Select(frequency => frequency / 4)).Within(1e-8f));
    }

    [Test]
    public void Llama_3_needs_its_factors_in_order()
    {
        var error = Assert.Throws<ModelFormatException>(() =>
            TinyModels.Config<LlamaConfig>(
                TinyModels.LlamaJson,
                """
                "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 4.0,
                  "original_max_position_embeddings": 8192},
                """
            )
        );
        Assert.That(
            error!.Message,
            Does.Contain("'rope_scaling.low_freq_factor' is 4").And.Contain("below high_freq_factor")
        );
    }
}
