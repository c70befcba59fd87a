using NBit.Quantization;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>codebooks.safetensors: the numbers of codes, and where one code ends and the next begins.</summary>
public static class CodebookSubjects
{
    public static IReadOnlyList<Subject> All { get; } =
    [
        Subject.Computed(Subject.KindPart, recorded => Codebook.OfType(recorded.Kind).ToTensor()),
        Subject.Computed("af4_blocksize64", _ => Codebook.AF4.ToTensor()),
        Subject.Computed("dynamic_signed", _ => Codebook.DynamicSigned.ToTensor()),
        Subject.Computed("dynamic_unsigned", _ => Codebook.DynamicUnsigned.ToTensor()),
        Subject.Computed(
            @"dynamic\.signed(?<signed>[01])\.maxexp(?<exponent>\d+)\.bits(?<bits>\d+)",
            recorded =>
                Codebook
                    .Dynamic(recorded.Flag("signed"), recorded.Number("exponent"), recorded.Number("bits"))
                    .ToTensor()
        ),
        Subject.Computed(
            @"fp8_map\.signed(?<signed>[01])\.e(?<exponent>\d+)m(?<precision>\d+)\.bits(?<bits>\d+)",
            recorded =>
                Codebook
                    .Float8(
                        recorded.Flag("signed"),
                        recorded.Number("exponent"),
                        recorded.Number("precision"),
                        recorded.Number("bits")
                    )
                    .ToTensor()
        ),
        Subject.Computed(
            @"linear_map\.signed(?<signed>[01])\.bits(?<bits>\d+)\.addzero(?<zero>[01])",
            recorded =>
                Codebook.Linear(recorded.Flag("signed"), recorded.Number("bits"), recorded.Flag("zero")).ToTensor()
        ),
        Subject.Computed(
            $@"{Subject.KindPart}\.(cuda_thresholds|cuda_abs_thresholds)|(?<kind>nf4)\.cpu_bounds",
            recorded => CodeThresholds.Of(recorded.Kind).Thresholds
        ),
        Subject.Computed(
            $@"{Subject.KindPart}\.cuda_abs_bucket_to_code|(?<kind>nf4)\.cpu_bucket_to_code",
            recorded => CodeThresholds.Of(recorded.Kind).Codes
        ),
        Subject.LeftOut(@"fp4\.cpu_(bounds|bucket_to_code)"),
        Subject.LeftOut(@"derived\.lut65536_dynamic_(signed|unsigned)"),
    ];
}
