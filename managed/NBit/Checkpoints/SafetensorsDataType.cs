using System.Diagnostics.CodeAnalysis;

namespace NBit.Checkpoints;

/// <summary>The element types of the safetensors format.</summary>
/// <remarks>
/// In the format's own order of increasing alignment, which decides the order in a file: tensors of later types are
/// written first. The names in a file, the sizes and libtorch's types are in <see cref="SafetensorsDataTypes" />.
/// </remarks>
[SuppressMessage("Naming", "CA1720", Justification = "They are the types' names, as in TorchSharp's ScalarType.")]
public enum SafetensorsDataType
{
    /// <summary>BOOL: one byte, 0 or 1.</summary>
    Bool,

    /// <summary>F4: OCP Microscaling E2M1, two in a byte.</summary>
    Float4,

    /// <summary>F6_E2M3: OCP Microscaling, four in three bytes.</summary>
    Float6E2M3,

    /// <summary>F6_E3M2: OCP Microscaling, four in three bytes.</summary>
    Float6E3M2,

    /// <summary>U8.</summary>
    UInt8,

    /// <summary>I8.</summary>
    Int8,

    /// <summary>F8_E5M2: OCP 8-bit floating point (arXiv 2209.05433).</summary>
    Float8E5M2,

    /// <summary>F8_E4M3: OCP 8-bit floating point (arXiv 2209.05433), without infinities.</summary>
    Float8E4M3,

    /// <summary>F8_E8M0: a power of two, the scale of OCP Microscaling.</summary>
    Float8E8M0,

    /// <summary>F8_E4M3FNUZ: one zero, no infinities (arXiv 2206.02915).</summary>
    Float8E4M3Fnuz,

    /// <summary>F8_E5M2FNUZ: one zero, no infinities (arXiv 2206.02915).</summary>
    Float8E5M2Fnuz,

    /// <summary>I16.</summary>
    Int16,

    /// <summary>U16.</summary>
    UInt16,

    /// <summary>F16: IEEE 754 binary16.</summary>
    Float16,

    /// <summary>BF16: the upper half of a binary32.</summary>
    BFloat16,

    /// <summary>I32.</summary>
    Int32,

    /// <summary>U32.</summary>
    UInt32,

    /// <summary>F32: IEEE 754 binary32.</summary>
    Float32,

    /// <summary>C64: two binary32, real and imaginary.</summary>
    Complex64,

    /// <summary>F64: IEEE 754 binary64.</summary>
    Float64,

    /// <summary>I64.</summary>
    Int64,

    /// <summary>U64.</summary>
    UInt64,
}
