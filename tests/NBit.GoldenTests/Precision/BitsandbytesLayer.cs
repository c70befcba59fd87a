using System.Globalization;
using System.Text.Json;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using NBit.Quantization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Compares a layer with what was recorded of Lightning's, which has a class of its own for each
/// mode.</summary>
/// <remarks>
/// NBit converts in place (DESIGN 4): a <c>Linear</c> stays one, and the kind of its weight says what it became.
/// Lightning converts in three steps: the class at once, the weight when it is moved, the bias in the first forward.
/// NBit does all at once, so that a model is the same before and after it runs (DESIGN 8.2).
/// </remarks>
internal static class BitsandbytesLayer
{
    /// <summary>The name of the peer's class that a layer corresponds to.</summary>
    public static string ClassOf(nn.Module module) =>
        module is Linear { weight: var weight }
            ? LinearWeight.Of(weight) switch
            {
                Weight4bit four => $"_{four.State.QuantType}{(four.State.Nested is null ? "" : "DQ")}Linear",
                Weight8bit => "_Int8LinearInference",
                TrainableWeight8bit => "_Linear8bitLt",
                _ => nameof(Linear),
            }
            : module.GetType().Name;

    /// <param name="recorded">The layer's record.</param>
    /// <param name="module">NBit's layer, converted.</param>
    /// <param name="mode">The mode.</param>
    /// <param name="path">The record's path in bnb.json.</param>
    /// <param name="isQuantized">Whether it was recorded after the peer had quantized the weight.</param>
    public static void Check(
        JsonElement recorded,
        nn.Module module,
        BitsandbytesPrecision mode,
        string path,
        bool isQuantized
    )
    {
        var actual = Describe(module, isQuantized);
        foreach (var field in recorded.EnumerateObject())
        {
            switch (field.Name)
            {
                case "bias_dtype" when ClassOf(module) is not (nameof(Linear) or nameof(LayerNorm)):
                    // the dtype that the peer's bias has after the first forward
                    Assert.That(actual[field.Name], Is.EqualTo(mode.DataType.Name()), $"{path}: {field.Name}");
                    break;
                case "weight_dtype" when !isQuantized && LinearWeight.Of(module.get_parameter("weight")) is Weight8bit:
                    break; // int8 codes do not keep the dtype that they came from
                case "compute_type_is_set":
                    // whether the peer's input has replaced the compute dtype; NBit's stays the one that was set
                    Assert.That(actual["compute_dtype"], Is.EqualTo(mode.DataType.Name()), $"{path}: {field.Name}");
                    break;
                case "compute_dtype" when field.Value.GetString() == "None":
                    break; // recorded before convert_module had set it
                default:
                    Assert.That(
                        actual[field.Name],
                        Is.EqualTo(BitsandbytesRecording.Expected($"{path}/{field.Name}", field.Value)),
                        $"{path}: {field.Name}"
                    );
                    break;
            }
        }
    }

    private static Dictionary<string, string> Describe(nn.Module module, bool isQuantized)
    {
        var weight = module.get_parameter("weight")!;
        var bias = module.get_parameter("bias");
        var own = LinearWeight.Of(weight);
        var four = own as Weight4bit;
        var shape = isQuantized || own is null ? weight.shape : [own.OutFeatures, own.InFeatures];
        var description = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["class"] = ClassOf(module),
            ["weight_shape"] = $"[{string.Join(",", shape)}]",
            ["weight_dtype"] = (isQuantized ? weight.dtype : four?.State.DataType ?? weight.dtype).Name(),
            ["weight_device"] = $"{weight.device_type}".ToLowerInvariant(),
            ["weight_requires_grad"] = $"{weight.requires_grad}",
        };
        if (bias is not null)
        {
            description["bias_dtype"] = bias.dtype.Name();
            description["bias_requires_grad"] = $"{bias.requires_grad}";
        }

        if (four is not null)
        {
            description["quant_type"] = $"{four.State.QuantType}".ToLowerInvariant();
            description["blocksize"] = four.State.Blocksize.ToString(CultureInfo.InvariantCulture);
            description["compress_statistics"] = $"{four.State.Nested is not null}";
            description["compute_dtype"] = four.ComputeType?.Name() ?? "None";
        }

        if (own is Weight8bit or TrainableWeight8bit)
        {
            description["has_fp16_weights"] = $"{own is TrainableWeight8bit}";
            description["threshold"] = (
                (own as Weight8bit)?.Threshold ?? ((TrainableWeight8bit)own).Threshold
            ).ToString("0.0", CultureInfo.InvariantCulture);
        }

        return description;
    }
}
