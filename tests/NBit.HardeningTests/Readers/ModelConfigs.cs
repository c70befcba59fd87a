using NBit.HardeningTests.Inputs;
using NBit.Models;

namespace NBit.HardeningTests.Readers;

/// <summary>The config.json of a Hugging Face folder.</summary>
internal sealed class ModelConfigs() : FileReader("config.json")
{
    private readonly JsonInputs _inputs = new(
        """
        {"architectures": ["LlamaForCausalLM"], "vocab_size": 40, "hidden_size": 24, "intermediate_size": 20,
         "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "hidden_act": "silu",
         "rms_norm_eps": 1e-05, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
         "high_freq_factor": 4.0, "original_max_position_embeddings": 32}, "rope_theta": 500000.0, "attention_bias": true,
         "tie_word_embeddings": false, "torch_dtype": "bfloat16", "eos_token_id": [1, 2]}
        """,
        """
        {"architectures": ["LlamaForCausalLM"], "vocab_size": 40, "hidden_size": 24, "intermediate_size": 20,
         "num_hidden_layers": 2, "num_attention_heads": 4, "rope_parameters": {"type": "linear", "factor": 2},
         "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4",
         "bnb_4bit_use_double_quant": true, "bnb_4bit_compute_dtype": "torch.float16", "llm_int8_threshold": 6.0,
         "bnb_4bit_quant_storage": "uint8", "llm_int8_skip_modules": ["lm_head"]}, "eos_token_id": 2}
        """,
        """
        {"architectures": ["BertModel"], "vocab_size": 40, "hidden_size": 24, "intermediate_size": 20,
         "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 16, "type_vocab_size": 2,
         "layer_norm_eps": 1e-12, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0,
         "position_embedding_type": "absolute", "dtype": "float32"}
        """
    );

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) =>
        error is ModelFormatException || error.GetType() == typeof(NotSupportedException);

    protected override void ReadFile(byte[] input)
    {
        switch (ModelConfig.Load(Folder))
        {
            case LlamaConfig llama:
                Require(
                    llama is { VocabularySize: > 0, HiddenSize: > 0, IntermediateSize: > 0, Layers: > 0 },
                    "a size of the Llama is none"
                );
                Require(llama.Heads % llama.KeyValueHeads == 0 && llama.HeadSize % 2 == 0, "its heads do not fit");
                Require(double.IsFinite(llama.RmsNormEpsilon) && llama.Rotary.Theta > 0, "a number of it is none");
                break;
            case BertConfig bert:
                Require(
                    bert is { VocabularySize: > 0, HiddenSize: > 0, IntermediateSize: > 0, Layers: > 0 },
                    "a size of the BERT is none"
                );
                Require(bert.HiddenSize % bert.Heads == 0, "its heads do not fit");
                Require(bert.HiddenDropout is >= 0 and < 1, "its dropout is no share");
                break;
            default:
                throw new InconsistentException("it is no config");
        }
    }
}
