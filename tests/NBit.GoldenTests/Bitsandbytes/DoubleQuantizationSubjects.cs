using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>
/// quant4bit_double.safetensors: absmax in 8 bits. What depends on the mean is computed with the recorded one, whose
/// last bits are a matter of the order of its sum; <see cref="DoubleQuantizationTests" /> takes NBit's own.
/// </summary>
public static class DoubleQuantizationSubjects
{
    private const string Name = $@"(?<bytes>(?<data>[^.]+\.[^.]+)\.{Subject.KindPart}\.{Subject.BlocksizePart})";

    public static IReadOnlyList<Subject> All { get; } =
    [
        Subject.Computed("nested_code", _ => Codebook.DynamicSigned.ToTensor()),
        Subject.Input(@"[^.]+\.[^.]+\.input"),
        Subject.Computed($@"{Name}\.packed", recorded => Quantize(recorded, compress: true).Packed),
        Subject.Computed($@"{Name}\.absmax_plain", recorded => Quantize(recorded, compress: false).State.Absmax),
        Subject.Computed($@"{Name}\.offset", recorded => Quantize(recorded, compress: true).State.Offset!.reshape(1)),
        Subject.Computed($@"{Name}\.(cuda_derived\.)?absmax_u8", recorded => WithRecordedOffset(recorded).Codes),
        Subject.Computed($@"{Name}\.nested_absmax", recorded => WithRecordedOffset(recorded).State.Absmax),
        Subject.Computed($@"{Name}\.absmax_recovered", quantize: null, recorded => State(recorded).RecoverAbsmax()),
        Subject.Computed(
            $@"{Name}\.dequant",
            quantize: null,
            recorded => Functional.Dequantize4Bit(recorded.ReadBytes($"{recorded["bytes"]}.packed"), State(recorded))
        ),
    ];

    /// <summary>NBit's own quantization of a case's input.</summary>
    public static (Tensor Packed, QuantState State) Quantize(RecordedCase recorded, bool compress) =>
        Functional.Quantize4Bit(Input(recorded), recorded.Kind, recorded.Number("blocksize"), compress);

    /// <summary>Quantizes absmax less a given mean, as double quantization is defined.</summary>
    public static (Tensor Codes, QuantState State) QuantizeAbsmax(
        Tensor absmax,
        Tensor offset,
        int blocksize = QuantState.NestedBlocksize
    ) => Functional.QuantizeBlockwise(absmax - offset, Codebook.DynamicSigned, blocksize);

    private static (Tensor Codes, QuantState State) WithRecordedOffset(RecordedCase recorded) =>
        QuantizeAbsmax(Quantize(recorded, compress: false).State.Absmax, recorded.Read($"{recorded["bytes"]}.offset"));

    private static QuantState State(RecordedCase recorded)
    {
        var codes = recorded.ReadBytes($"{recorded["bytes"]}.absmax_u8");
        var input = Input(recorded);
        return new()
        {
            Absmax = codes,
            Code = Codebook.OfType(recorded.Kind),
            Blocksize = recorded.Number("blocksize"),
            DataType = input.dtype,
            Shape = input.shape,
            QuantType = recorded.Kind,
            Offset = recorded.Read($"{recorded["bytes"]}.offset"),
            Nested = new()
            {
                Absmax = recorded.Read($"{recorded["bytes"]}.nested_absmax"),
                Code = Codebook.OfTensor(recorded.Read("nested_code")),
                Blocksize = QuantState.NestedBlocksize,
                DataType = ScalarType.Float32,
                Shape = codes.shape,
            },
        };
    }

    private static Tensor Input(RecordedCase recorded) => recorded.Read($"{recorded["data"]}.input");
}
