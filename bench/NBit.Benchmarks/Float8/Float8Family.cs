using NBit.Benchmarks.Measurement;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Float8;

/// <summary>Linear layers in 8 bits, called as a model calls them.</summary>
internal static class Float8Family
{
    public static Family Create() =>
        new(
            "float8",
            $"{Float8Run.Rows} rows, {Float8Run.Features} inputs and outputs, delayed scaling; the peer is libtorch's linear",
            Unit.Microseconds,
            [
                new Float8Row(ScalarType.BFloat16, trains: false) { Target = Target.Speed(0.92) },
                new Float8Row(ScalarType.Float32, trains: false) { Target = Target.Speed(2) },
                new Float8Row(ScalarType.BFloat16, trains: true) { Target = Target.Speed(0.85) },
            ]
        );
}
