using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>quant4bit.safetensors: 4-bit quantization in blocks.</summary>
public static class Blocks4Subjects
{
    private const string Name = $@"(?<data>[^.]+\.[^.]+)\.{Subject.KindPart}\.{Subject.BlocksizePart}";

    public static IReadOnlyList<Subject> All { get; } =
    [
        Subject.Input(@"[^.]+\.[^.]+\.input"),
        Subject.Computed($@"(?<bytes>{Name})\.packed", recorded => Packed(recorded, Input(recorded))),
        Subject.Computed($@"(?<bytes>{Name})\.absmax", recorded => Absmax(recorded, Input(recorded))),
        Subject.Computed(
            $@"(?<bytes>{Name})\.dequant",
            recorded => Dequantized(recorded, Input(recorded)),
            recorded => Loaded(recorded, Input(recorded))
        ),
    ];

    public static Tensor Packed(RecordedCase recorded, Tensor input, int? blocksize = null) =>
        Quantize(recorded, input, blocksize).Packed;

    public static Tensor Absmax(RecordedCase recorded, Tensor input, int? blocksize = null) =>
        Quantize(recorded, input, blocksize).State.Absmax;

    public static Tensor Dequantized(RecordedCase recorded, Tensor input, int? blocksize = null)
    {
        var (packed, state) = Quantize(recorded, input, blocksize);
        return Functional.Dequantize4Bit(packed, state);
    }

    /// <summary>Dequantizes the bytes packed and absmax behind the name's part "bytes".</summary>
    public static Tensor Loaded(RecordedCase recorded, Tensor input, int? blocksize = null) =>
        Functional.Dequantize4Bit(
            recorded.ReadBytes($"{recorded["bytes"]}.packed"),
            new()
            {
                Absmax = recorded.ReadBytes($"{recorded["bytes"]}.absmax"),
                Code = Codebook.OfType(recorded.Kind),
                Blocksize = blocksize ?? recorded.Number("blocksize"),
                DataType = input.dtype,
                Shape = input.shape,
                QuantType = recorded.Kind,
            }
        );

    private static Tensor Input(RecordedCase recorded) => recorded.Read($"{recorded["data"]}.input");

    private static (Tensor Packed, QuantState State) Quantize(RecordedCase recorded, Tensor input, int? blocksize) =>
        Functional.Quantize4Bit(input, recorded.Kind, blocksize ?? recorded.Number("blocksize"));
}
