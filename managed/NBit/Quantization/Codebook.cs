using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>The numbers that codes stand for, in units of a block's absmax: 16 for 4-bit codes, 256 for 8-bit ones.</summary>
/// <remarks>Immutable; one object may be used by several threads.</remarks>
public sealed class Codebook
{
    private readonly Lazy<NativeCodebook> _native;
    private readonly float[] _pinned;

    private Codebook(ImmutableArray<float> values, Func<NativeCodebook> native)
    {
        Values = values;
        _native = new(native);
        _pinned = GC.AllocateUninitializedArray<float>(values.Length, pinned: true);
        values.CopyTo(_pinned);
    }

    /// <summary>NormalFloat4's 16 values, by code (rising).</summary>
    public static Codebook NF4 { get; } = FourBit(QuantType.NF4);

    /// <summary>The 16 values of bitsandbytes' fp4, by code: 8 magnitudes, then the negative ones.</summary>
    public static Codebook FP4 { get; } = FourBit(QuantType.FP4);

    /// <summary>AbnormalFloat4 for blocks of 64 (arXiv:2306.06965), by code (falling).</summary>
    public static Codebook AF4 { get; } =
        OfValues([
            1f,
            0.7242486476898193f,
            0.5549623370170593f,
            0.4256388247013092f,
            0.3167566657066345f,
            0.2196127474308014f,
            0.12934483587741852f,
            0.0427316389977932f,
            0f,
            -0.049348119646310806f,
            -0.14982478320598602f,
            -0.25607553124427795f,
            -0.37369510531425476f,
            -0.5124374032020569f,
            -0.6944100856781006f,
            -1f,
        ]);

    /// <summary>bitsandbytes' dynamic map with signs: the usual code of 8-bit blocks.</summary>
    public static Codebook DynamicSigned { get; } = EightBitDynamic(isSigned: true);

    /// <summary>bitsandbytes' dynamic map without signs, for numbers that are not negative.</summary>
    public static Codebook DynamicUnsigned { get; } = EightBitDynamic(isSigned: false);

    /// <summary>The numbers, by code.</summary>
    public ImmutableArray<float> Values { get; }

    /// <summary>The codes' width: 4 or 8 bits.</summary>
    public int Bits => Values.Length == 16 ? 4 : 8;

    internal NativeCodebook Native => _native.Value;

    /// <summary>The numbers at an address that stays valid as long as this object.</summary>
    internal unsafe float* NativeValues => (float*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_pinned));

    /// <summary>A codebook of one's own.</summary>
    /// <param name="values">256 numbers in rising order (equal neighbours are allowed) for 8-bit codes, or 16 for 4-bit
    /// ones.</param>
    /// <returns>The codebook.</returns>
    /// <exception cref="ArgumentException">There are not 16 or 256, or 256 are not in rising order.</exception>
    public static Codebook OfValues(ReadOnlySpan<float> values)
    {
        if (values.Length is not (16 or 256))
        {
            throw new ArgumentException(
                $"a codebook of {values.Length} values; give 16 (4 bits) or 256 (8 bits)",
                nameof(values)
            );
        }

        var copy = values.ToImmutableArray();
        var native = values.Length == 256 ? NativeCodebook.OfValues(values) : null; // checks the order
        return new(copy, () => native ?? throw No256(copy.Length));
    }

    /// <summary>A codebook from a tensor, as bitsandbytes keeps it in files (<c>quant_map</c>).</summary>
    /// <param name="values">float32 [16] or [256].</param>
    /// <returns>The codebook; the one that is there already where the numbers are those of NF4, FP4 or a dynamic
    /// map.</returns>
    /// <exception cref="ArgumentException">It is of another dtype or shape, or not in rising order.</exception>
    public static Codebook OfTensor(Tensor values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.dtype != ScalarType.Float32 || values.shape is not [16 or 256])
        {
            throw new ArgumentException(
                $"a codebook is {values.dtype} [{string.Join(", ", values.shape)}]; it must be Float32 [16] or [256]",
                nameof(values)
            );
        }

        float[] numbers;
        using (NewDisposeScope())
        {
            numbers = values.detach().cpu().contiguous().data<float>().ToArray();
        }

        return Known().FirstOrDefault(known => known.Values.AsSpan().SequenceEqual(numbers)) ?? OfValues(numbers);

        static Codebook[] Known() => [NF4, FP4, DynamicSigned, DynamicUnsigned];
    }

    /// <summary>The codebook of a 4-bit type.</summary>
    /// <param name="type">The type.</param>
    /// <returns>Its 16 values.</returns>
    public static Codebook OfType(QuantType type) =>
        type switch
        {
            QuantType.NF4 => NF4,
            QuantType.FP4 => FP4,
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "allowed are FP4 and NF4"),
        };

    /// <summary>
    /// bitsandbytes' <c>create_dynamic_map</c>: a number of exponent bits that grows with the magnitude, and what is left
    /// for linear fractions (arXiv:1511.04561).
    /// </summary>
    /// <param name="isSigned">Whether there are negative numbers.</param>
    /// <param name="maxExponentBits">The number of decades, 1 or more.</param>
    /// <param name="totalBits">Code bits that are used, at most 8; the rest of the codes stands for 0.</param>
    /// <returns>The codebook.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The bits do not fit.</exception>
    public static Codebook Dynamic(bool isSigned = true, int maxExponentBits = 7, int totalBits = 8) =>
        isSigned && (maxExponentBits, totalBits) == (7, 8) ? DynamicSigned
        : (maxExponentBits, totalBits) == (7, 8) ? DynamicUnsigned
        : OfValues(CodebookMaps.Dynamic(isSigned, maxExponentBits, totalBits));

    /// <summary>bitsandbytes' <c>create_linear_map</c>: evenly spaced numbers.</summary>
    /// <param name="isSigned">From -1 to 1, else from 0 to 1.</param>
    /// <param name="totalBits">Code bits that are used, at most 8; the codes in the middle that are left stand for
    /// 0.</param>
    /// <param name="addZero">Whether one number is given up so that 0 is among them.</param>
    /// <returns>The codebook. Without signs and with fewer than 8 bits its numbers are not in rising order, as
    /// bitsandbytes' are not; quantizing with it is refused.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The bits do not fit.</exception>
    public static Codebook Linear(bool isSigned = true, int totalBits = 8, bool addZero = true)
    {
        var values = CodebookMaps.Linear(isSigned, totalBits, addZero).ToImmutableArray();
        return new(values, () => NativeCodebook.OfValues(values.AsSpan())); // checks the order when it matters
    }

    /// <summary>bitsandbytes' <c>create_fp8_map</c>: a small floating-point format, scaled to a largest number of 1.</summary>
    /// <param name="isSigned">Whether there is a sign bit.</param>
    /// <param name="exponentBits">Bits of the exponent.</param>
    /// <param name="precisionBits">Bits of the fraction; sign, exponent and fraction are <paramref name="totalBits" />
    /// together.</param>
    /// <param name="totalBits">Code bits that are used, at most 8; the rest of the codes stands for 0.</param>
    /// <returns>The codebook.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The bits do not fit.</exception>
    public static Codebook Float8(
        bool isSigned = true,
        int exponentBits = 5,
        int precisionBits = 2,
        int totalBits = 8
    ) => OfValues(CodebookMaps.Float8(isSigned, exponentBits, precisionBits, totalBits));

    /// <summary>The numbers as a new tensor.</summary>
    /// <returns>float32 [16] or [256], on the CPU.</returns>
    public Tensor ToTensor() => tensor(Values.ToArray(), ScalarType.Float32);

    private static Codebook EightBitDynamic(bool isSigned)
    {
        var native = NativeCodebook.Dynamic(isSigned);
        return new(native.Values, () => native);
    }

    private static unsafe Codebook FourBit(QuantType type)
    {
        var values = new float[16];
        fixed (float* address = values)
        {
            NativeStatus.ThrowIfFailed(Libnbit.nbit_codebook4_get_values((int)type, address));
        }

        return new([.. values], () => throw No256(values.Length));
    }

    private static ArgumentException No256(int count) =>
        new($"a codebook of {count} values was given for 8-bit codes; give one of 256");
}
