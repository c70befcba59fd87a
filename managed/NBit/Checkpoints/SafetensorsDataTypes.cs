using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>Names, sizes and libtorch types of <see cref="SafetensorsDataType" />.</summary>
public static class SafetensorsDataTypes
{
    // Indexed by the enumeration. TorchSharp names libtorch's types up to 15; the numbers above are libtorch's own.
    private static readonly (string Code, int Bits, ScalarType? ScalarType)[] Table =
    [
        ("BOOL", 8, ScalarType.Bool),
        ("F4", 4, null),
        ("F6_E2M3", 6, null),
        ("F6_E3M2", 6, null),
        ("U8", 8, ScalarType.Byte),
        ("I8", 8, ScalarType.Int8),
        ("F8_E5M2", 8, (ScalarType)23),
        ("F8_E4M3", 8, (ScalarType)24),
        ("F8_E8M0", 8, (ScalarType)44),
        ("F8_E4M3FNUZ", 8, (ScalarType)26),
        ("F8_E5M2FNUZ", 8, (ScalarType)25),
        ("I16", 16, ScalarType.Int16),
        ("U16", 16, (ScalarType)27),
        ("F16", 16, ScalarType.Float16),
        ("BF16", 16, ScalarType.BFloat16),
        ("I32", 32, ScalarType.Int32),
        ("U32", 32, (ScalarType)28),
        ("F32", 32, ScalarType.Float32),
        ("C64", 64, ScalarType.ComplexFloat32),
        ("F64", 64, ScalarType.Float64),
        ("I64", 64, ScalarType.Int64),
        ("U64", 64, (ScalarType)29),
    ];

    /// <summary>All names, for messages.</summary>
    internal static string Codes { get; } = string.Join(", ", Table.Select(row => row.Code));

    /// <summary>The name that stands in a file, F8_E4M3 for one.</summary>
    /// <param name="type">The element type.</param>
    public static string Code(this SafetensorsDataType type) => Table[(int)type].Code;

    /// <summary>The size of one element in bits: 4, 6, 8, 16, 32 or 64.</summary>
    /// <param name="type">The element type.</param>
    public static int BitsPerElement(this SafetensorsDataType type) => Table[(int)type].Bits;

    /// <summary>libtorch's type for it, or null where libtorch has no tensors of it (F4, F6_E2M3, F6_E3M2).</summary>
    /// <remarks>
    /// TorchSharp's enumeration lacks unsigned integers above 8 bits and float8: those are libtorch's numbers cast to
    /// it, which TorchSharp passes on unchanged.
    /// </remarks>
    /// <param name="type">The element type.</param>
    public static ScalarType? ToScalarType(this SafetensorsDataType type) => Table[(int)type].ScalarType;

    /// <summary>
    /// The element type for a type of libtorch's, or null where the format has none (complex128, quantized types).
    /// </summary>
    /// <param name="type">TorchSharp's type, or a number of libtorch's cast to it.</param>
    public static SafetensorsDataType? FromScalarType(ScalarType type) =>
        At(Array.FindIndex(Table, row => row.ScalarType == type));

    /// <summary>The element type that a file's name stands for, or null.</summary>
    internal static SafetensorsDataType? FromCode(string code) => At(Array.FindIndex(Table, row => row.Code == code));

    private static SafetensorsDataType? At(int index) => index < 0 ? null : (SafetensorsDataType)index;
}
