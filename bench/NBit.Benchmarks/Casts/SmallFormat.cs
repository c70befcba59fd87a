using NBit.Native;

namespace NBit.Benchmarks.Casts;

/// <summary>
/// A format of at most 16 bits: sign, exponent, mantissa. IEEE 754 binary16, bfloat16, and the float8 formats of the
/// Open Compute Project (OFP8): E5M2 is built like an IEEE format, E4M3 has no infinities and one NaN magnitude.
/// </summary>
internal sealed class SmallFormat : Format
{
    private readonly int _exponentBits,
        _mantissaBits;
    private readonly uint _largest; // the bit pattern of the largest number

    // By bit pattern, so rising: from 0 to the largest number, then the one that a wider exponent would give.
    private readonly double[] _magnitudes;

    public SmallFormat(string name, nbit_data_type type, int exponentBits, int mantissaBits)
        : base(name, type, (1 + exponentBits + mantissaBits) / 8)
    {
        (_exponentBits, _mantissaBits) = (exponentBits, mantissaBits);
        _largest = (1u << (exponentBits + mantissaBits)) - (HasInfinity ? (1u << mantissaBits) + 1 : 2);
        _magnitudes = [.. Enumerable.Range(0, (int)_largest + 2).Select(bits => Magnitude((uint)bits))];
    }

    public override double Largest => _magnitudes[_largest];

    private uint Sign => 1u << (_exponentBits + _mantissaBits);

    private bool HasInfinity => Type != nbit_data_type.NBIT_DATA_TYPE_FLOAT8_E4M3FN;

    public override double Decode(uint bits)
    {
        var magnitude = bits & (Sign - 1);
        var number =
            magnitude <= _largest ? _magnitudes[magnitude]
            : magnitude == _largest + 1 && HasInfinity ? double.PositiveInfinity
            : double.NaN;
        return (bits & Sign) == 0 ? number : -number;
    }

    public override uint Encode(double number)
    {
        var sign = double.IsNegative(number) ? Sign : 0;
        return sign | (double.IsNaN(number) ? Sign - 1 : EncodeMagnitude(Math.Abs(number)));
    }

    // All numbers, the middles between neighbours, and float32's neighbours of those middles.
    public override IEnumerable<float> Delicate()
    {
        for (var bits = 0u; bits <= _largest; bits++)
        {
            var number = (float)_magnitudes[bits];
            var middle = (float)((_magnitudes[bits] + _magnitudes[bits + 1]) / 2);
            yield return number;
            yield return middle;
            yield return MathF.BitIncrement(middle);
            yield return MathF.BitDecrement(middle);
        }
    }

    // The pattern after the largest number's is infinity's, so that overflow needs no rule of its own.
    private uint EncodeMagnitude(double magnitude)
    {
        var last = Saturates ? _largest : _largest + 1;
        if (magnitude >= _magnitudes[last])
        {
            return last;
        }

        var found = Array.BinarySearch(_magnitudes, magnitude);
        if (found >= 0)
        {
            return (uint)found;
        }

        var above = (uint)~found;
        var below = above - 1;
        var comparison = (magnitude - _magnitudes[below]).CompareTo(_magnitudes[above] - magnitude);
        return comparison < 0 || (comparison == 0 && below % 2 == 0) ? below : above;
    }

    private double Magnitude(uint bits)
    {
        var exponent = (int)(bits >> _mantissaBits);
        var mantissa = bits & ((1u << _mantissaBits) - 1);
        var bias = (1 << (_exponentBits - 1)) - 1;
        return exponent == 0
            ? Math.ScaleB(mantissa, 1 - bias - _mantissaBits)
            : Math.ScaleB(mantissa + (1u << _mantissaBits), exponent - bias - _mantissaBits);
    }
}
