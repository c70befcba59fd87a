using NBit.Native;
using static NBit.Native.nbit_data_type;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Casts;

/// <summary>A floating-point format by its definition: the reference that casts are checked against.</summary>
/// <param name="name">Its name in PyTorch.</param>
/// <param name="type">Its number, which is NBit's and libtorch's.</param>
/// <param name="bytes">The size of an element.</param>
internal abstract class Format(string name, nbit_data_type type, int bytes)
{
    public static readonly Format Float32 = new SingleFormat();
    public static readonly Format BFloat16 = new SmallFormat("bfloat16", NBIT_DATA_TYPE_BFLOAT16, 8, 7);
    public static readonly Format Float16 = new SmallFormat("float16", NBIT_DATA_TYPE_FLOAT16, 5, 10);
    public static readonly Format Float8E4M3 = new SmallFormat("float8_e4m3fn", NBIT_DATA_TYPE_FLOAT8_E4M3FN, 4, 3);
    public static readonly Format Float8E5M2 = new SmallFormat("float8_e5m2", NBIT_DATA_TYPE_FLOAT8_E5M2, 5, 2);

    public string Name { get; } = name;

    public nbit_data_type Type { get; } = type;

    /// <summary>libtorch's name for it; TorchSharp's enumeration lacks float8, its functions take it.</summary>
    public ScalarType ScalarType => (ScalarType)Type;

    public int Bytes { get; } = bytes;

    /// <summary>The largest finite number.</summary>
    public abstract double Largest { get; }

    /// <summary>Whether what lies beyond the largest number becomes that number.</summary>
    public bool Saturates => Bytes == 1;

    /// <summary>The number that a bit pattern stands for.</summary>
    public abstract double Decode(uint bits);

    /// <summary>The bit pattern of the nearest number, ties to even.</summary>
    public abstract uint Encode(double number);

    /// <summary>Numbers at which a conversion to this format could go wrong.</summary>
    public abstract IEnumerable<float> Delicate();

    public override string ToString() => Name;
}
