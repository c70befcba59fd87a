using System.Runtime.InteropServices;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Casts;

/// <summary>
/// Compares casts bit for bit with the definitions of the formats, and with libtorch's where libtorch means the same:
/// there, what lies beyond float8's range becomes NaN or infinity. Any NaN equals any other.
/// </summary>
internal static class CastCheck
{
    private const int RandomCount = 1 << 16;
    private const byte Junk = 0xa5;

    /// <param name="pair">The formats.</param>
    /// <param name="most">The most numbers to convert.</param>
    /// <returns>What was compared.</returns>
    /// <exception cref="CheckFailedException">There is a difference.</exception>
    public static string Run(CastPair pair, int most)
    {
        uint[] source = [.. Inputs(pair)];
        if (source.Length > most)
        {
            source = [.. Enumerable.Range(0, most).Select(i => source[(int)((long)source.Length * i / most)])];
        }

        using var run = new CastRun(pair, source.Length);
        Write(source, run.Source, pair.From.Bytes);
        var byNBit = Results(run, run.CastByNBit, pair.To.Bytes);
        var byLibtorch = Results(run, run.CastByLibtorch, pair.To.Bytes);
        var shared = 0;
        for (var i = 0; i < source.Length; i++)
        {
            var number = pair.From.Decode(source[i]);
            Compare(pair, number, byNBit[i], pair.To.Encode(number), "the format's definition");
            if (!pair.To.Saturates || Math.Abs(number) <= pair.To.Largest)
            {
                Compare(pair, number, byNBit[i], byLibtorch[i], "libtorch");
                shared++;
            }
        }

        return $"{source.Length} numbers equal the format's definition, {shared} of them libtorch's copy_";
    }

    // From a small format all bit patterns; from float32 those at which a rounding could go wrong, and any others.
    private static IEnumerable<uint> Inputs(CastPair pair)
    {
        if (pair.From.Bytes < sizeof(float))
        {
            return Enumerable.Range(0, 1 << (8 * pair.From.Bytes)).Select(bits => (uint)bits);
        }

        var random = new uint[RandomCount];
        new Random(1).NextBytes(MemoryMarshal.AsBytes(random.AsSpan()));
        float[] special = [float.NaN, float.PositiveInfinity, float.MaxValue, float.Epsilon];
        var delicate = pair.To.Delicate().Concat(special).SelectMany(number => (float[])[number, -number]);
        return [.. delicate.Select(BitConverter.SingleToUInt32Bits), .. random];
    }

    private static void Compare(CastPair pair, double number, uint actual, uint expected, string reference)
    {
        double given = pair.To.Decode(actual),
            right = pair.To.Decode(expected);
        if (actual != expected && !(double.IsNaN(given) && double.IsNaN(right)))
        {
            throw new CheckFailedException(
                $"{number:R} became 0x{actual:x} ({given:R}); by {reference} it is 0x{expected:x} ({right:R})"
            );
        }
    }

    private static void Write(uint[] values, Span<byte> target, int bytes)
    {
        for (var i = 0; i < values.Length; i++)
        {
            MemoryMarshal.AsBytes(values.AsSpan(i, 1))[..bytes].CopyTo(target[(i * bytes)..]);
        }
    }

    private static uint[] Results(CastRun run, Action cast, int bytes)
    {
        run.Target.Fill(Junk);
        cast();
        var values = new uint[run.Target.Length / bytes];
        for (var i = 0; i < values.Length; i++)
        {
            run.Target.Slice(i * bytes, bytes).CopyTo(MemoryMarshal.AsBytes(values.AsSpan(i, 1)));
        }

        return values;
    }
}
