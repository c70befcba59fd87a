using NBit.Native;

namespace NBit.Quantization;

/// <summary>What the 16 codes of a 4-bit weight stand for.</summary>
public enum QuantType
{
    /// <summary>A sign and 8 magnitudes: 0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3 and 1 of a block's absmax.</summary>
    FP4 = nbit_quant_type.NBIT_QUANT_TYPE_FP4,

    /// <summary>NormalFloat4: 16 quantiles of the normal distribution (QLoRA, arXiv:2305.14314).</summary>
    NF4 = nbit_quant_type.NBIT_QUANT_TYPE_NF4,
}
