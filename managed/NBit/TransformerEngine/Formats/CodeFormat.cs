namespace NBit.TransformerEngine;

/// <summary>What codes stand for. The numbers are libtorch's of the dtypes.</summary>
public enum CodeFormat
{
    /// <summary>float8_e5m2: up to 57344, with infinities.</summary>
    E5M2 = 23,

    /// <summary>float8_e4m3fn: up to 448, without infinities.</summary>
    E4M3 = 24,

    /// <summary>float4_e2m1fn, two in a byte, the first in the lower half: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and a sign.</summary>
    E2M1 = 45,
}
