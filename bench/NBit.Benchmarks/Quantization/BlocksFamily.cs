using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Quantization;

/// <summary>Quantization in blocks.</summary>
internal static class BlocksFamily
{
    public static Family Create() =>
        new(
            "blocks",
            "float32 in blocks (nf4: 64, 8 bits: 4096), through NBit.Quantization.Functional",
            Unit.GigabytesPerSecond,
            [
                new BlocksRow(
                    "quantize nf4",
                    isStreaming: false,
                    (sizeof(float), 0.5 + (4.0 / 64)),
                    BlocksWork.QuantizeNf4
                )
                {
                    Target = Target.ShareOf(MachineLimits.ReadingName, 0.75),
                },
                new BlocksRow(
                    "quantize 8-bit, dynamic map",
                    isStreaming: true,
                    (sizeof(float), 1),
                    BlocksWork.Quantize8
                )
                {
                    Target = Target.ShareOf(MachineLimits.StreamingCopyName, 0.58),
                },
                new BlocksRow(
                    "dequantize 8-bit, dynamic map",
                    isStreaming: true,
                    (1, sizeof(float)),
                    BlocksWork.Dequantize8
                )
                {
                    Target = Target.ShareOf(MachineLimits.StreamingCopyName, 0.7),
                },
            ]
        );
}
