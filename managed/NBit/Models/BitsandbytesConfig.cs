using System.Collections.Immutable;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>How a checkpoint was quantized: the quantization_config of a config.json, method bitsandbytes.</summary>
/// <remarks>Fields that are missing have the defaults of transformers' BitsAndBytesConfig.</remarks>
/// <param name="LoadIn4Bit">Whether linear layers are held in 4 bits; otherwise they are held in 8 (LLM.int8).</param>
/// <param name="QuantType">The 4-bit code, "nf4" or "fp4".</param>
/// <param name="DoubleQuantization">Whether the absmax of the 4-bit blocks are quantized too.</param>
/// <param name="ComputeDtype">The dtype in which 4-bit layers multiply.</param>
/// <param name="StorageDtype">The dtype of the tensor that holds the packed 4-bit codes.</param>
/// <param name="Int8Threshold">The magnitude from which on LLM.int8 keeps an activation's column in 16 bits.</param>
/// <param name="SkippedModules">Names of modules that stay as they are; null where the config names none.</param>
public sealed record BitsandbytesConfig(
    bool LoadIn4Bit,
    string QuantType,
    bool DoubleQuantization,
    ScalarType ComputeDtype,
    ScalarType StorageDtype,
    double Int8Threshold,
    ImmutableArray<string>? SkippedModules
)
{
    private const string Method = "bitsandbytes";
    private const string In4Bit = "load_in_4bit";
    private const string In8Bit = "load_in_8bit";

    private static readonly Dictionary<string, string> QuantTypes = new(StringComparer.Ordinal)
    {
        ["nf4"] = "nf4",
        ["fp4"] = "fp4",
    };

    /// <summary>Reads the object.</summary>
    /// <exception cref="NotSupportedException">It is of another method.</exception>
    /// <exception cref="ModelFormatException">A field is wrong.</exception>
    internal static BitsandbytesConfig Parse(JsonFields fields)
    {
        // Files of the first transformers versions with bitsandbytes name no method.
        var method = fields.Text("quant_method") ?? (fields.Has(In4Bit) || fields.Has(In8Bit) ? Method : "none");
        if (method != Method)
        {
            throw new NotSupportedException(
                $"the checkpoint is quantized by method '{method}'; supported is '{Method}': load one that is "
                    + "not quantized"
            );
        }

        var four = fields.Flag(In4Bit, otherwise: false);
        if (four == fields.Flag(In8Bit, otherwise: false))
        {
            throw fields.Error(In4Bit, $"{four} and {In8Bit} too".ToLowerInvariant(), "exactly one of them is true");
        }

        return new(
            four,
            fields.OneOf("bnb_4bit_quant_type", "fp4", QuantTypes),
            fields.Flag("bnb_4bit_use_double_quant", otherwise: false),
            fields.Dtype("bnb_4bit_compute_dtype") ?? ScalarType.Float32,
            fields.Dtype("bnb_4bit_quant_storage") ?? ScalarType.Byte,
            fields.NotNegative("llm_int8_threshold", 6),
            fields.Has("llm_int8_skip_modules") ? fields.Texts("llm_int8_skip_modules") : null
        );
    }
}
