using NBit.Checkpoints;
using NBit.Models;
using NBit.Tests.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Models;

/// <summary>Models of a few thousand parameters, and their folders.</summary>
internal static class TinyModels
{
    public const string LlamaJson = """
        {
          "architectures": ["LlamaForCausalLM"], "vocab_size": 40, "hidden_size": 24, "intermediate_size": 20,
          "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
          "max_position_embeddings": 200
        }
        """;

    public const string BertJson = """
        {
          "architectures": ["BertModel"], "vocab_size": 40, "hidden_size": 24, "intermediate_size": 20,
          "num_hidden_layers": 2, "num_attention_heads": 3, "max_position_embeddings": 16
        }
        """;

    /// <summary>A config of one of the above with further fields, which come first.</summary>
    public static T Config<T>(string json, string fields = "")
        where T : ModelConfig
    {
        using var directory = new TemporaryDirectory();
        WriteConfig(directory, json, fields);
        return (T)ModelConfig.Load(directory.Path);
    }

    public static void WriteConfig(TemporaryDirectory directory, string json, string fields = "") =>
        File.WriteAllText(directory.File("config.json"), json.Insert(json.IndexOf('{') + 1, fields));

    /// <summary>A folder of a new model, whose weights are all random: ones and zeros would hide faults.</summary>
    public static TemporaryDirectory Folder(
        string json,
        string fields = "",
        Func<Dictionary<string, Tensor>, IEnumerable<(string, Tensor)>>? change = null
    )
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var directory = new TemporaryDirectory();
        WriteConfig(directory, json, fields);
        using nn.Module model = ModelConfig.Load(directory.Path) is LlamaConfig llama
            ? new LlamaForCausalLM(llama)
            : new BertModel((BertConfig)ModelConfig.Load(directory.Path));
        manual_seed(1);
        foreach (var parameter in model.parameters())
        {
            nn.init.normal_(parameter, 0, 0.3);
        }

        var tensors = model
            .named_parameters()
            .ToDictionary(entry => entry.name, entry => (Tensor)entry.parameter, StringComparer.Ordinal);
        SafetensorsWriter.Save(
            directory.File("model.safetensors"),
            change?.Invoke(tensors) ?? tensors.Select(entry => (entry.Key, entry.Value))
        );
        return directory;
    }

    /// <summary>Random tokens, [batch, count].</summary>
    public static Tensor Tokens(long batch, long count)
    {
        manual_seed(2);
        return randint(0, 40, [batch, count], int64);
    }

    public static bool AllClose(Tensor left, Tensor right, double tolerance = 1e-5) =>
        left.shape.SequenceEqual(right.shape) && allclose(left, right, rtol: 0, atol: tolerance);
}
