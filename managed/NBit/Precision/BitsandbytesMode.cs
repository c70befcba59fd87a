using NBit.Quantization;

namespace NBit.Precision;

/// <summary>What a mode of <see cref="BitsandbytesPrecision" /> makes of linear layers.</summary>
/// <param name="QuantType">The 4-bit code; null for the 8-bit modes.</param>
/// <param name="CompressStatistics">Whether absmax is quantized too.</param>
/// <param name="Trains">Whether weights stay in floating point and can be trained.</param>
internal sealed record BitsandbytesMode(QuantType? QuantType, bool CompressStatistics = false, bool Trains = false)
{
    /// <summary>The modes by name.</summary>
    public static OrderedDictionary<string, BitsandbytesMode> All { get; } =
        new(StringComparer.Ordinal)
        {
            ["nf4"] = new(Quantization.QuantType.NF4),
            ["nf4-dq"] = new(Quantization.QuantType.NF4, CompressStatistics: true),
            ["fp4"] = new(Quantization.QuantType.FP4),
            ["fp4-dq"] = new(Quantization.QuantType.FP4, CompressStatistics: true),
            ["int8"] = new(QuantType: null),
            ["int8-training"] = new(QuantType: null, Trains: true),
        };
}
