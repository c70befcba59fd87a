using System.Globalization;

namespace NBit.Checkpoints;

/// <summary>Numbers as Python's json.dumps writes them, for files that must have the peers' bytes.</summary>
internal static class PythonNumber
{
    // repr() writes exponents below 10^-4 and from 10^16 on (Python, float_repr_style "short").
    private const int SmallestPlain = -4,
        LargestPlain = 16;

    /// <summary>The shortest digits that give the number back, as repr(float) has them.</summary>
    public static string Repr(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "NaN"
                : value > 0 ? "Infinity"
                : "-Infinity";
        }

        var text = value.ToString("R", CultureInfo.InvariantCulture);
        var sign = text.StartsWith('-') ? "-" : "";
        var parts = text.TrimStart('-').Split('E');
        var point = parts[0].IndexOf('.', StringComparison.Ordinal);
        var whole = point < 0 ? parts[0].Length : point;
        var all = parts[0].Replace(".", "", StringComparison.Ordinal);
        var digits = all.TrimStart('0');
        if (digits.Length == 0)
        {
            return sign + "0.0";
        }

        // value = 0.DIGITS * 10^exponent
        var exponent =
            whole
            - (all.Length - digits.Length)
            + (parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0);
        digits = digits.TrimEnd('0');
        return sign
            + (exponent - 1) switch
            {
                < SmallestPlain or >= LargestPlain => Scientific(digits, exponent - 1),
                < 0 => "0." + new string('0', -exponent) + digits,
                _ when digits.Length <= exponent => digits.PadRight(exponent, '0') + ".0",
                _ => $"{digits[..exponent]}.{digits[exponent..]}",
            };
    }

    private static string Scientific(string digits, int exponent)
    {
        var mantissa = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{mantissa}e{(exponent < 0 ? "-" : "+")}{Math.Abs(exponent):00}"
        );
    }
}
