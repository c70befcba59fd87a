using NBit.Native;

namespace NBit.TransformerEngine;

/// <summary>Which elements of a matrix share a scale, and what scales are.</summary>
/// <remarks>
/// Blocks begin at row 0 and column 0; those at the ends may be smaller. Scales are row-major, without padding.
/// </remarks>
public enum Scaling
{
    /// <summary>One float32 for the whole matrix, the reciprocal of the scale it was quantized with.</summary>
    Tensor = (int)nbit_scaling.NBIT_SCALING_TENSOR,

    /// <summary>MXFP8: one E8M0 for 32 elements of a row.</summary>
    MXFP8Rows = (int)nbit_scaling.NBIT_SCALING_MXFP8_1X32,

    /// <summary>MXFP8: one E8M0 for 32 elements of a column.</summary>
    MXFP8Columns = (int)nbit_scaling.NBIT_SCALING_MXFP8_32X1,

    /// <summary>MXFP8: one E8M0 for 32 x 32 elements.</summary>
    MXFP8Tiles = (int)nbit_scaling.NBIT_SCALING_MXFP8_32X32,

    /// <summary>Float8 block scaling: one float32 for 128 elements of a row.</summary>
    Float8Rows = (int)nbit_scaling.NBIT_SCALING_FLOAT8_1X128,

    /// <summary>Float8 block scaling: one float32 for 128 x 128 elements.</summary>
    Float8Tiles = (int)nbit_scaling.NBIT_SCALING_FLOAT8_128X128,

    /// <summary>NVFP4: one E4M3 for 16 elements of a row, and one float32 amax for the whole matrix.</summary>
    NVFP4Rows = (int)nbit_scaling.NBIT_SCALING_NVFP4_1X16,
}
