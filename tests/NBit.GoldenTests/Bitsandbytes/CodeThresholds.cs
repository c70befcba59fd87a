using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>
/// Where NBit's 4-bit quantization goes from one code to the next, found by bisection over all float32: the largest
/// numbers that still get the lower code, and the code of each interval. fp4's are those of magnitudes.
/// </summary>
public sealed record CodeThresholds(Tensor Thresholds, Tensor Codes)
{
    private const int Blocksize = 64;

    public static CodeThresholds Of(QuantType kind)
    {
        var values = Codebook.OfType(kind).Values;
        var codes = kind == QuantType.NF4 ? Enumerable.Range(0, 16) : Enumerable.Range(0, 8);
        var rising = codes.OrderBy(code => values[code]).ToList();
        var lowest = kind == QuantType.NF4 ? -1f : 0f;
        var low = Enumerable.Repeat(Order(lowest), rising.Count - 1).ToArray();
        var high = Enumerable.Repeat(Order(1f), rising.Count - 1).ToArray();
        while (low.Zip(high, (below, above) => above - below > 1).Any(apart => apart))
        {
            var middle = low.Zip(high, (below, above) => below + ((above - below) / 2)).ToArray();
            var found = CodesOf(kind, [.. middle.Select(Number)]);
            for (var i = 0; i < middle.Length; i++)
            {
                (low[i], high[i]) = rising.IndexOf(found[i]) <= i ? (middle[i], high[i]) : (low[i], middle[i]);
            }
        }

        return new(
            tensor(low.Select(Number).ToArray(), ScalarType.Float32),
            tensor(CodesOf(kind, [lowest, .. high.Select(Number)]), ScalarType.Byte)
        );
    }

    // Each number is the first of a block of absmax 1, so that it is not scaled.
    private static byte[] CodesOf(QuantType kind, float[] numbers)
    {
        using var scope = NewDisposeScope();
        var blocks = zeros([numbers.Length, Blocksize], ScalarType.Float32);
        blocks.select(1, 0).copy_(tensor(numbers, ScalarType.Float32));
        blocks.select(1, 1).fill_(1);
        var (packed, state) = Functional.Quantize4Bit(blocks, kind, Blocksize);
        using (state)
        {
            return [.. packed.data<byte>().ToArray().Chunk(Blocksize / 2).Select(block => (byte)(block[0] >> 4))];
        }
    }

    // float32 in the order of their values; both zeros are 0.
    private static long Order(float number)
    {
        var bits = BitConverter.SingleToInt32Bits(number);
        return bits >= 0 ? bits : int.MinValue - (long)bits;
    }

    private static float Number(long order) =>
        BitConverter.Int32BitsToSingle((int)(order >= 0 ? order : int.MinValue - order));
}
