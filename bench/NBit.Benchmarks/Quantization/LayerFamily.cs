using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Quantization;

/// <summary>Quantized layers, called as a model calls them.</summary>
internal static class LayerFamily
{
    private const int SomeRows = 16,
        ManyRows = 512,
        IrregularInputs = 4100,
        RegularInputs = 4096,
        OutlierColumns = 14;

    public static Family Create() =>
        new(
            "layers",
            $"{LayerCase.OutFeatures} outputs of {LayerCase.UsualInFeatures} inputs; the peer is libtorch's bfloat16 linear",
            Unit.Microseconds,
            [
                OneRow(ScalarType.BFloat16, 0.85),
                OneRow(ScalarType.Float32, 0.66),
                Irregular(rows: 1),
                Irregular(ManyRows),
                Products(new("nf4", SomeRows, ScalarType.BFloat16), Arithmetic.BFloat16, share: 0.62),
                Products(new("nf4", ManyRows, ScalarType.BFloat16), Arithmetic.BFloat16, speed: 0.94),
                Products(
                    new("nf4", ManyRows, ScalarType.BFloat16, Work: LayerWork.InputGradient),
                    Arithmetic.BFloat16,
                    speed: 0.94
                ),
                Products(
                    new("int8", ManyRows, ScalarType.Float16, OutlierColumns: OutlierColumns),
                    Arithmetic.Int8,
                    share: 0.8
                ),
                Products(
                    new("nf4", ManyRows, ScalarType.BFloat16, Work: LayerWork.LoraStep),
                    Arithmetic.BFloat16,
                    speed: 0.9
                ),
            ]
        );

    private static LayerRow OneRow(ScalarType dtype, double share)
    {
        var work = new LayerCase("nf4-dq", 1, dtype);
        return new LayerRow(work, peer: null, MachineLimits.Reading(work.WeightBytes))
        {
            Target = Target.ShareOf(MachineLimits.ReadingName, share),
        };
    }

    private static LayerRow Irregular(int rows) =>
        new(
            new LayerCase("nf4", rows, ScalarType.BFloat16, IrregularInputs),
            new LayerCase("nf4", rows, ScalarType.BFloat16, RegularInputs)
        )
        {
            Target = Target.Speed(0.8),
        };

    private static LayerRow Products(LayerCase work, Arithmetic kind, double? share = null, double? speed = null)
    {
        var peak = MachineLimits.Peak(kind, work.Operations);
        return new LayerRow(work, peer: null, peak)
        {
            Target = share is { } least ? Target.ShareOf(peak.Name, least) : Target.Speed(speed!.Value),
        };
    }
}
