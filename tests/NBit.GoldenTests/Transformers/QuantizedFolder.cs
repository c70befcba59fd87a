using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Transformers;

/// <summary>A Hugging Face folder that NBit quantizes, as transformers does with load_in_4bit and
/// load_in_8bit.</summary>
internal sealed class QuantizedFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <param name="source">The folder.</param>
    /// <param name="mode">A mode: "nf4-dq", or "nf4-dq-bf16" where the model is bfloat16.</param>
    public QuantizedFolder(string source, string mode)
    {
        const string bfloat16Suffix = "-bf16";
        var isBFloat16 = mode.EndsWith(bfloat16Suffix, StringComparison.Ordinal);
        Dtype = isBFloat16 ? ScalarType.BFloat16 : ScalarType.Float32;
        Mode = isBFloat16 ? mode[..^bfloat16Suffix.Length] : mode;
        var is8Bit = Mode.StartsWith("int8", StringComparison.Ordinal);
        Cast(source, _folder.PathOf("given"));
        new CheckpointQuantizer(new BitsandbytesPrecision(Mode, is8Bit ? null : Dtype)).Quantize(
            _folder.PathOf("given"),
            Root
        );
    }

    public string Mode { get; }

    /// <summary>The dtype of all that is not quantized.</summary>
    public ScalarType Dtype { get; }

    public string Root => _folder.PathOf("quantized");

    public void Dispose() => _folder.Dispose();

    // The recorded models were kept in float16, and given to the quantizer in the dtype of the model.
    private void Cast(string source, string target)
    {
        using var scope = NewDisposeScope();
        Directory.CreateDirectory(target);
        foreach (var file in Directory.EnumerateFiles(source))
        {
            var copy = Path.Combine(target, Path.GetFileName(file));
            if (Path.GetExtension(file) != ".safetensors")
            {
                File.Copy(file, copy);
                continue;
            }

            using var reader = SafetensorsReader.Open(file);
            SafetensorsWriter.Save(
                copy,
                reader.Names.Select(name => (name, ToDtype(reader.Read(name)))).ToList(),
                new Dictionary<string, string>(StringComparer.Ordinal)
            );
        }
    }

    private Tensor ToDtype(Tensor tensor) =>
        tensor.is_floating_point() ? tensor.to(ScalarType.Float16).to(Dtype) : tensor;
}
