using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>The formulas of bitsandbytes' 8-bit maps (bitsandbytes.functional, create_*_map).</summary>
internal static class CodebookMaps
{
    public static float[] Dynamic(bool signed, int maxExponentBits, int totalBits)
    {
        CheckTotal(totalBits);
        if (maxExponentBits < 1 || maxExponentBits > totalBits - 1)
        {
            throw new ArgumentOutOfRangeException(
                nameof(maxExponentBits),
                maxExponentBits,
                $"allowed are 1 to {totalBits - 1}, one less than totalBits"
            );
        }

        var values = new List<float>();
        var fractionBits = totalBits - 1 - maxExponentBits;
        for (var exponent = 0; exponent < maxExponentBits; exponent++)
        {
            AddMeans(exponent, 1 << (exponent + fractionBits + (signed ? 0 : 1)));
        }

        AddMeans(maxExponentBits - 1, (1 << fractionBits) - 1);
        values.Add(0);
        values.Add(1);
        return Fill(values);

        // The midpoints of that many equal parts of [0.1, 1], in a decade.
        void AddMeans(int exponent, int count)
        {
            if (count == 0)
            {
                return;
            }

            using var scope = NewDisposeScope();
            var boundaries = linspace(0.1, 1, count + 1, ScalarType.Float32);
            var means = (boundaries.narrow(0, 0, count) + boundaries.narrow(0, 1, count)) / 2.0;
            var decade = (means * Math.Pow(10, exponent - (maxExponentBits - 1))).data<float>().ToArray();
            values.AddRange(decade);
            if (signed)
            {
                values.AddRange(decade.Select(value => -value));
            }
        }
    }

    public static float[] Linear(bool signed, int totalBits, bool addZero)
    {
        CheckTotal(totalBits);
        var count = (1 << totalBits) - (signed && (addZero || totalBits < 8) ? 1 : 0);
        using var line = linspace(signed ? -1 : 0, 1, count, ScalarType.Float32);
        var values = line.data<float>().ToArray();
        return Fill(values); // in order, also where the rounded number in the middle is a little below 0
    }

    public static float[] Float8(bool signed, int exponentBits, int precisionBits, int totalBits)
    {
        CheckTotal(totalBits);
        if (exponentBits < 1 || precisionBits < 0 || exponentBits + precisionBits + (signed ? 1 : 0) != totalBits)
        {
            throw new ArgumentOutOfRangeException(
                nameof(exponentBits),
                exponentBits,
                $"sign, exponent and precision bits are {totalBits} together; there are {exponentBits} exponent and "
                    + $"{precisionBits} precision bits and {(signed ? "a" : "no")} sign"
            );
        }

        var values = new List<double>();
        var bias = 1 << (exponentBits - 1);
        for (var exponent = 0; exponent < 1 << exponentBits; exponent++)
        {
            for (var fraction = 0; fraction < 1 << precisionBits; fraction++)
            {
                var mantissa = (exponent == 0 ? 0 : 1) + Math.ScaleB(fraction, -precisionBits);
                var value = Math.ScaleB(mantissa, exponent == 0 ? -bias : bias + 1 - exponent);
                values.Add(value);
                if (signed)
                {
                    values.Add(-value);
                }
            }
        }

        var largest = values.Max();
        return Fill(values.Select(value => (float)value / (float)largest));
    }

    private static float[] Fill(IEnumerable<float> values)
    {
        var list = values.ToList();
        return [.. list.Concat(new float[256 - list.Count]).Order()];
    }

    private static void CheckTotal(int totalBits)
    {
        if (totalBits is < 2 or > 8)
        {
            throw new ArgumentOutOfRangeException(nameof(totalBits), totalBits, "allowed are 2 to 8");
        }
    }
}
