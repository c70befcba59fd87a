using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>quant8bit_blockwise.safetensors: 8-bit quantization in blocks, with several codes.</summary>
public static class Blocks8Subjects
{
    /// <summary>Of the special cases, whose names give none (README).</summary>
    private const int SpecialBlocksize = 64;

    private const string Plain =
        $@"(?<bytes>(?<data>[^.]+\.{Subject.DtypePart}\.(?<code>signed|unsigned))\.{Subject.BlocksizePart})";

    private const string Other = $@"(?<bytes>other\.(?<map>[^.]+)\.{Subject.BlocksizePart})";
    private const string Nested = $@"(?<bytes>nested\.{Subject.DtypePart}\.{Subject.BlocksizePart})";
    private const string Ties = @"(?<bytes>(?<data>ties\.(?<code>signed|unsigned)))";
    private const string Special = @"(?<bytes>(?<data>special\.[^.]+))";

    public static IReadOnlyList<Subject> All { get; } =
    [
        Subject.Input($@"[^.]+\.{Subject.DtypePart}\.((signed|unsigned)\.)?input"),
        Subject.Input(@"(ties|special)\.[^.]+\.input"),
        Subject.Computed(
            $@"({Plain}|{Other}|{Nested}|{Ties}|{Special})\.(cuda_derived\.)?q",
            recorded => Quantize(recorded).Codes
        ),
        Subject.Computed($@"({Plain}|{Other}|{Ties}|{Special})\.absmax", recorded => Quantize(recorded).State.Absmax),
        Subject.Computed(
            $@"({Plain}|{Other})\.dequant",
            Dequantized,
            recorded => Functional.DequantizeBlockwise(Bytes(recorded, "q"), State(recorded, Bytes(recorded, "absmax")))
        ),
        Subject.Computed($@"{Special}\.dequant", Dequantized),
        Subject.Computed(@"other\.fp8_e(?<exponent>\d+)m(?<precision>\d+)\.code", Float8Map),
        Subject.Computed(@"other\.linear\.code", _ => Codebook.Linear().ToTensor()),
        Subject.Computed(
            $@"{Nested}\.offset",
            recorded =>
                Functional
                    .QuantizeBlockwise(Input(recorded), Code(recorded), recorded.Number("blocksize"), nested: true)
                    .State.Offset!.reshape(1)
        ),
        Subject.Computed($@"{Nested}\.absmax_u8", recorded => NestedWithRecordedOffset(recorded).Codes),
        Subject.Computed($@"{Nested}\.nested_absmax", recorded => NestedWithRecordedOffset(recorded).State.Absmax),
        Subject.Computed($@"{Nested}\.dequant", quantize: null, LoadNested),
        Subject.LeftOut(@"ties\.[^.]+\.derived\.reachable_codes_cpu"),
        Subject.LeftOut($@"{Special}\.compared"),
    ];

    /// <summary>NBit's own quantization of a case's input.</summary>
    public static (Tensor Codes, QuantState State) Quantize(RecordedCase recorded, bool nested = false)
    {
        var input = Input(recorded);
        return Functional.QuantizeBlockwise(input, Code(recorded), Blocksize(recorded, input), nested);
    }

    private static Tensor Dequantized(RecordedCase recorded)
    {
        var (codes, state) = Quantize(recorded);
        return Functional.DequantizeBlockwise(codes, state);
    }

    private static (Tensor Codes, QuantState State) NestedWithRecordedOffset(RecordedCase recorded) =>
        DoubleQuantizationSubjects.QuantizeAbsmax(
            Quantize(recorded).State.Absmax,
            Bytes(recorded, "offset"),
            recorded.Number("blocksize")
        );

    private static Tensor LoadNested(RecordedCase recorded)
    {
        var codes = Bytes(recorded, "absmax_u8");
        var state = State(recorded, codes) with
        {
            Offset = Bytes(recorded, "offset"),
            Nested = new()
            {
                Absmax = Bytes(recorded, "nested_absmax"),
                Code = Codebook.DynamicSigned,
                Blocksize = recorded.Number("blocksize"),
                DataType = ScalarType.Float32,
                Shape = codes.shape,
            },
        };
        return Functional.DequantizeBlockwise(Bytes(recorded, "q"), state);
    }

    private static QuantState State(RecordedCase recorded, Tensor absmax)
    {
        var input = Input(recorded);
        return new()
        {
            Absmax = absmax,
            Code = Code(recorded),
            Blocksize = Blocksize(recorded, input),
            DataType = input.dtype,
            Shape = input.shape,
        };
    }

    private static Tensor Bytes(RecordedCase recorded, string member) =>
        recorded.ReadBytes($"{recorded["bytes"]}.{member}");

    private static Tensor Input(RecordedCase recorded) =>
        recorded.Read($"{(recorded["data"] is { Length: > 0 } data ? data : OtherInput(recorded))}.input");

    // Cases with another code and nested ones take the same data.
    private static string OtherInput(RecordedCase recorded) =>
        recorded["dtype"] is { Length: > 0 } dtype ? $"other.{dtype}" : "other.f32";

    private static Codebook Code(RecordedCase recorded) =>
        recorded["map"] is { Length: > 0 } map ? Codebook.OfTensor(recorded.Read($"other.{map}.code"))
        : recorded["code"] == "unsigned" ? Codebook.DynamicUnsigned
        : Codebook.DynamicSigned;

    // The ties are one block.
    private static int Blocksize(RecordedCase recorded, Tensor input) =>
        recorded["blocksize"] is { Length: > 0 } ? recorded.Number("blocksize")
        : recorded.Name.StartsWith("ties.", StringComparison.Ordinal) ? (int)input.numel()
        : SpecialBlocksize;

    private static Tensor Float8Map(RecordedCase recorded) =>
        Codebook
            .Float8(exponentBits: recorded.Number("exponent"), precisionBits: recorded.Number("precision"))
            .ToTensor();
}
