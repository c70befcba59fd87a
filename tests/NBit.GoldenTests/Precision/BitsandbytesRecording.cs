using System.Text.Json;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>precision/bnb.json and the files beside it: models, batches and modes.</summary>
internal static class BitsandbytesRecording
{
    public const string File = "precision/bnb.json";

    public const string Tensors = "precision/bnb_quantized_and_outputs.safetensors";

    public static JsonElement Json { get; } = GoldenFolder.Json(File);

    public static GoldenTensors Data { get; } = GoldenTensors.Of("precision/bnb_data.safetensors");

    /// <summary>A model of bnb.json ("mlp" or "encoder") with its initial weights.</summary>
    public static nn.Module<Tensor, Tensor> LoadModel(string kind)
    {
        var sizes = Json.Get("models")!.Value.Get(kind)!.Value;
        nn.Module<Tensor, Tensor> model = kind == "mlp" ? new RecordedMlp(sizes) : new RecordedEncoder(sizes);
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            parameter.copy_(Data.Read($"{kind}.init.{name}"));
        }

        return model;
    }

    /// <summary>A mode as a key names it: "nf4/bfloat16".</summary>
    public static BitsandbytesPrecision MakeMode(string mode, string dtype) => new(mode, DtypeNames.Parse(dtype));

    /// <summary>The layers of a model, with what holds them.</summary>
    public static IEnumerable<(string Name, nn.Module Module)> Layers(nn.Module model) =>
        model.named_modules().Where(entry => entry.module is Linear or LayerNorm or Embedding);

    /// <summary>
    /// What nbit-rules.json says of a value of bnb.json: NBit's value in place of the recorded one, or the
    /// recorded one.
    /// </summary>
    public static string? Expected(string path, JsonElement? recorded) =>
        GoldenRules.ForJson(File, path) is { Kind: "differs" or "value" } rule && rule.Json.Text("value") is { } own
            ? own
            : recorded?.ToString();

    /// <summary>The comparison that the folder's README asks for, of a tensor of any of its files; for what
    /// nbit-rules.json does not match.</summary>
    public static Comparison Readme(string _, string tensor) =>
        tensor.EndsWith("absmax", StringComparison.Ordinal) || tensor.EndsWith(".offset", StringComparison.Ordinal)
            ? Comparison.Close(relative: OneUlp)
            : Comparison.Exact;

    private const double OneUlp = 1.0 / (1 << 23); // of float32, relative
}
