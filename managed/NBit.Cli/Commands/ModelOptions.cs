using System.CommandLine;
using static TorchSharp.torch;

namespace NBit.Cli.Commands;

/// <summary>The options of commands that load a model.</summary>
internal static class ModelOptions
{
    private static readonly Dictionary<string, ScalarType> Dtypes = new(StringComparer.Ordinal)
    {
        ["float32"] = ScalarType.Float32,
        ["bfloat16"] = ScalarType.BFloat16,
        ["float16"] = ScalarType.Float16,
        ["float64"] = ScalarType.Float64,
    };

    public static Option<string> Model() =>
        new("--model") { Description = "Hugging Face folder: config.json, safetensors, tokenizer", Required = true };

    public static Option<string> Dtype()
    {
        var option = new Option<string>("--dtype")
        {
            Description =
                $"The weights' dtype ({string.Join(", ", Dtypes.Keys)}); as config.json states it if not given",
        };
        option.AcceptOnlyFromAmong([.. Dtypes.Keys]);
        return option;
    }

    public static ScalarType? Parse(string? dtype) => dtype is null ? null : Dtypes[dtype];
}
