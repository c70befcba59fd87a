using static TorchSharp.torch;

namespace NBit.GoldenTests.Golden;

/// <summary>dtypes as PyTorch names them.</summary>
public static class DtypeNames
{
    private static readonly Dictionary<ScalarType, string> Names = new()
    {
        [ScalarType.Float16] = "float16",
        [ScalarType.BFloat16] = "bfloat16",
        [ScalarType.Float32] = "float32",
        [ScalarType.Float64] = "float64",
        [ScalarType.Byte] = "uint8",
        [ScalarType.Int8] = "int8",
        [ScalarType.Int16] = "int16",
        [ScalarType.Int32] = "int32",
        [ScalarType.Int64] = "int64",
        [ScalarType.Bool] = "bool",
        [ScalarType.ComplexFloat32] = "complex64",
        [ScalarType.ComplexFloat64] = "complex128",
    };

    public static string Name(this ScalarType dtype) => Names.TryGetValue(dtype, out var name) ? name : $"{dtype}";

    public static ScalarType Parse(string name) => Names.Single(pair => pair.Value == name).Key;
}
