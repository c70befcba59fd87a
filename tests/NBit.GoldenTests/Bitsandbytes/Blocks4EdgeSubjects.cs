using NBit.Quantization;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>quant4bit_edge.safetensors: ties, special numbers, shapes and storage dtypes.</summary>
public static class Blocks4EdgeSubjects
{
    /// <summary>Of all cases whose names give none (README).</summary>
    private const int Blocksize = 64;

    private const string Ties = $@"(?<bytes>ties\.{Subject.KindPart}\.[^.]+\.[^.]+)";
    private const string Special = $@"(?<bytes>special\.{Subject.KindPart}\.[^.]+)";
    private const string Hazard = $@"(?<bytes>hazard\.{Subject.KindPart}\.shape\d+x\d+\.{Subject.BlocksizePart})";

    public static IReadOnlyList<Subject> All { get; } =
    [
        Subject.Input($@"{Ties}\.input"),
        Subject.Computed(
            $@"{Ties}\.(cuda_derived\.)?packed",
            recorded => Blocks4Subjects.Packed(recorded, Input(recorded), Blocksize)
        ),
        Subject.Computed($@"{Ties}\.absmax", recorded => Blocks4Subjects.Absmax(recorded, Input(recorded), Blocksize)),
        Subject.Computed(
            $@"{Ties}\.dequant",
            recorded => Blocks4Subjects.Dequantized(recorded, Input(recorded), Blocksize),
            recorded => Blocks4Subjects.Loaded(recorded, Input(recorded), Blocksize)
        ),
        Subject.Input($@"{Special}\.input"),
        Subject.Computed(
            $@"{Special}\.packed",
            recorded => Blocks4Subjects.Packed(recorded, Input(recorded), Blocksize)
        ),
        Subject.Computed(
            $@"{Special}\.absmax",
            recorded => Blocks4Subjects.Absmax(recorded, Input(recorded), Blocksize)
        ),
        Subject.Computed(
            $@"{Special}\.dequant",
            recorded => Blocks4Subjects.Dequantized(recorded, Input(recorded), Blocksize)
        ),
        Subject.LeftOut($@"{Special}\.(compared|cuda_derived\.(packed|absmax))"),
        Subject.Input($@"{Hazard}\.input"),
        Subject.Computed($@"{Hazard}\.packed", recorded => Blocks4Subjects.Packed(recorded, Input(recorded))),
        Subject.Computed($@"{Hazard}\.absmax", recorded => Blocks4Subjects.Absmax(recorded, Input(recorded))),
        Subject.Computed(
            $@"{Hazard}\.derived\.dequant_by_rule",
            recorded => Blocks4Subjects.Dequantized(recorded, Input(recorded)),
            recorded => Blocks4Subjects.Loaded(recorded, Input(recorded))
        ),
        Subject.LeftOut($@"{Hazard}\.dequant_recorded_wrong_scales"),
        Subject.Input(@"storage\.input"),
        Subject.Computed(
            @"storage\.(?<storage>[^.]+)\.packed",
            recorded =>
                Functional
                    .Quantize4Bit(
                        recorded.Read("storage.input"),
                        QuantType.NF4,
                        Blocksize,
                        quantStorage: recorded.Dtype("storage")
                    )
                    .Packed
        ),
    ];

    private static TorchSharp.torch.Tensor Input(RecordedCase recorded) => recorded.Read($"{recorded["bytes"]}.input");
}
