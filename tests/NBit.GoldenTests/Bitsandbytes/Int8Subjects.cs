using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>int8_ops.safetensors: LLM.int8()'s rows, products and outliers.</summary>
public static class Int8Subjects
{
    /// <summary>Where outlier columns are recorded under a name without a threshold (README).</summary>
    private const double UsualThreshold = 6;

    private const string Rows = $@"(?<rows>quant\.(?<matrix>[^.]+)(\.{Subject.ThresholdPart})?)";

    public static IReadOnlyList<Subject> All { get; } =
    [
        Subject.Input("A|B|bias"),
        Subject.Input(@"quant\.[^.]+\.A"),
        Subject.Computed($@"{Rows}\.q", recorded => Quantize(recorded).Codes),
        Subject.Computed($@"{Rows}\.row_stats", recorded => Quantize(recorded).RowAbsmax),
        Subject.Computed($@"{Rows}\.outlier_cols", recorded => Quantize(recorded).OutlierColumns!),
        Subject.Computed(
            @"dequant\.(?<rows>.+)",
            quantize: null,
            recorded =>
                Functional.Int8VectorwiseDequantize(
                    Codes(recorded, recorded["rows"]),
                    Absmax(recorded, recorded["rows"])
                )
        ),
        Subject.Computed(
            @"matmul\.(?<a>[^.]+)_x_(?<b>[^.]+)\.int32",
            quantize: null,
            recorded =>
                Functional.Int8LinearMatmul(
                    Codes(recorded, recorded["a"].Replace('_', '.')),
                    Codes(recorded, recorded["b"].Replace('_', '.'))
                )
        ),
        Subject.Computed(
            $@"(mm_dequant|scaled_mm)\.(cuda_derived\.)?{Subject.DtypePart}\.(?<bias>bias|nobias)",
            quantize: null,
            DequantizedProduct
        ),
        Subject.Computed($@"mixed_scaled_mm\.{Subject.DtypePart}\.bias\.{Subject.ThresholdPart}", Mixed),
        Subject.Computed($@"mixed_scaled_mm\.{Subject.DtypePart}\.subA", OutlierPart),
    ];

    private static Int8Rows Quantize(RecordedCase recorded)
    {
        var own = $"quant.{recorded["matrix"]}.A";
        var matrix = recorded.Read(recorded.Has(own) ? own : recorded["matrix"]);
        var threshold =
            recorded["threshold"].Length > 0 ? recorded.Threshold
            : recorded.Has($"{recorded["rows"]}.outlier_cols") ? UsualThreshold
            : 0;
        return Functional.Int8VectorwiseQuantize(matrix, threshold);
    }

    private static Tensor DequantizedProduct(RecordedCase recorded)
    {
        var dtype = recorded.Dtype("dtype");
        return Functional.Int8MatmulDequantize(
            Functional.Int8LinearMatmul(Codes(recorded, "A.th0"), Codes(recorded, "B")),
            Absmax(recorded, "A.th0"),
            Absmax(recorded, "B"),
            recorded["bias"] == "bias" ? recorded.Read("bias").to(dtype) : null,
            dtype
        );
    }

    private static Tensor Mixed(RecordedCase recorded)
    {
        var dtype = recorded.Dtype("dtype");
        return Functional.Int8MixedMatmul(
            recorded.Read("A").to(dtype),
            Codes(recorded, "B"),
            Absmax(recorded, "B"),
            recorded.Read("bias").to(dtype),
            recorded.Threshold
        );
    }

    private static Tensor OutlierPart(RecordedCase recorded)
    {
        var a = recorded.Read("A");
        using var rows = Functional.Int8VectorwiseQuantize(a, UsualThreshold);
        return a.to(recorded.Dtype("dtype")).index_select(1, rows.OutlierColumns!);
    }

    private static Tensor Codes(RecordedCase recorded, string rows) => recorded.Read($"quant.{rows}.q");

    private static Tensor Absmax(RecordedCase recorded, string rows) => recorded.Read($"quant.{rows}.row_stats");
}
