using System.Text.Json.Nodes;
using NBit.Precision;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>Quantizes the linear layers of a checkpoint, without making its model.</summary>
/// <remarks>
/// Layers are the floating-point matrices named <c>*.weight</c>, except embeddings (a part of the name contains "embed")
/// and <c>lm_head</c>, which transformers leaves as it is, too. What is written loads in transformers with bitsandbytes.
/// </remarks>
public sealed class CheckpointQuantizer
{
    private const string Weight = ".weight",
        Config = "config.json";

    private readonly BitsandbytesPrecision _precision;

    /// <summary>Creates a quantizer.</summary>
    /// <param name="precision">The mode; its ignored modules stay as they are.</param>
    /// <exception cref="ArgumentException">The mode keeps weights in floating point.</exception>
    public CheckpointQuantizer(BitsandbytesPrecision precision)
    {
        ArgumentNullException.ThrowIfNull(precision);
        if (!precision.FreezesWeights)
        {
            throw new ArgumentException(
                $"'{precision.Name}' keeps weights in floating point: there is nothing to write; use 'int8'",
                nameof(precision)
            );
        }

        _precision = precision;
    }

    /// <summary>Quantizes a file, an index of shards, or a Hugging Face folder.</summary>
    /// <param name="input">The checkpoint.</param>
    /// <param name="output">A safetensors file; for a folder with a config.json another folder, which gets the
    /// quantization_config and copies of the other files.</param>
    /// <param name="progress">Told of each layer that is done, and how many there are.</param>
    /// <returns>What became of each layer.</returns>
    /// <exception cref="ArgumentException">There is nothing to quantize, or a weight cannot be.</exception>
    /// <exception cref="IOException">The output could not be written.</exception>
    public IReadOnlyList<QuantizationReport> Quantize(
        string input,
        string output,
        Action<QuantizationReport, int>? progress = null
    )
    {
        ArgumentException.ThrowIfNullOrEmpty(output);
        using var source = TensorSource.Open(input);
        var layers = source.Entries.Where(IsLayer).ToList();
        if (layers.Count == 0)
        {
            throw new ArgumentException(
                $"{input} has no floating-point matrix named *{Weight} that is no embedding and not ignored",
                nameof(input)
            );
        }

        if (QuantizedLayer.Find(source) is [{ } quantized, ..])
        {
            throw new ArgumentException(
                $"{input} is quantized already: {quantized.Name} is {quantized.Format}",
                nameof(input)
            );
        }

        var isModel = Directory.Exists(input) && File.Exists(Path.Combine(input, Config));
        var file = isModel ? Path.Combine(output, "model.safetensors") : output;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        var reports = new List<QuantizationReport>();
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var tensors = new List<(string, Tensor)>();
        foreach (var entry in source.Entries)
        {
            if (!IsLayer(entry))
            {
                tensors.Add((entry.Name, source.Read(entry.Name)));
                continue;
            }

            var (report, made) = Quantize(source, entry);
            tensors.AddRange(made);
            reports.Add(report);
            progress?.Invoke(report, layers.Count);
        }

        SafetensorsWriter.Save(
            file,
            tensors,
            new Dictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" }
        );
        if (isModel)
        {
            CopyFolder(input, output);
        }

        return reports;
    }

    private bool IsLayer(SafetensorsEntry entry)
    {
        if (
            !entry.Name.EndsWith(Weight, StringComparison.Ordinal)
            || entry.Shape.Length != 2
            || entry.ElementCount == 0
            || entry.DataType
                is not (
                    SafetensorsDataType.Float32
                    or SafetensorsDataType.Float16
                    or SafetensorsDataType.BFloat16
                    or SafetensorsDataType.Float64
                )
        )
        {
            return false;
        }

        var name = entry.Name[..^Weight.Length];
        return !name.Contains("embed", StringComparison.Ordinal)
            && !name.Split('.').Contains("lm_head", StringComparer.Ordinal)
            && !_precision.Ignores(name);
    }

    private (QuantizationReport Report, List<(string, Tensor)> Tensors) Quantize(
        TensorSource source,
        SafetensorsEntry entry
    )
    {
        var layer = entry.Name[..^Weight.Length];
        using var scope = NewDisposeScope();
        var given = source.Read(entry.Name);
        var weight = given.dtype == ScalarType.Float64 ? given.to(ScalarType.Float32) : given;
        var made = _precision.MakeWeight(layer, weight);
        List<(string Name, Tensor Tensor)> tensors =
        [
            (entry.Name, made.Storage),
            .. BitsandbytesLayout.Companions(made).Select(companion => ($"{layer}.{companion.Name}", companion.Tensor)),
        ];
        var exact = weight.to(ScalarType.Float32);
        var error = (Dequantize(made) - exact).norm() / exact.norm().clamp_min(float.Epsilon);
        var report = new QuantizationReport(
            layer,
            [.. entry.Shape],
            entry.ByteCount,
            tensors.Sum(tensor => tensor.Tensor.numel() * tensor.Tensor.element_size()),
            error.item<float>()
        );
        return (report, [.. tensors.Select(tensor => (tensor.Name, tensor.Tensor.alias().MoveToOuterDisposeScope()))]);
    }

    private static Tensor Dequantize(LinearWeight weight) =>
        weight is Weight4bit four
            ? four.Dequantize(ScalarType.Float32)
            : ((Weight8bit)weight).Dequantize(ScalarType.Float32);

    private void CopyFolder(string input, string output)
    {
        foreach (var file in Directory.EnumerateFiles(input))
        {
            var name = Path.GetFileName(file);
            var holdsWeights =
                name.Contains("safetensors", StringComparison.Ordinal)
                || Path.GetExtension(name) is ".bin" or ".pt" or ".pth" or ".onnx" or ".h5" or ".msgpack" or ".ot";
            if (name != Config && !holdsWeights)
            {
                File.Copy(file, Path.Combine(output, name), overwrite: true);
            }
        }

        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(input, Config)))!.AsObject();
        config["quantization_config"] = _precision.ToConfig();
        File.WriteAllText(
            Path.Combine(output, Config),
            config.ToJsonString(new System.Text.Json.JsonSerializerOptions { WriteIndented = true }) + "\n"
        );
    }
}
