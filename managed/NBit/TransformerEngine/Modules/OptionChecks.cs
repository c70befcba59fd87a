using System.Runtime.CompilerServices;

namespace NBit.TransformerEngine.Modules;

/// <summary>What options of modules may be.</summary>
internal static class OptionChecks
{
    /// <exception cref="ArgumentOutOfRangeException">It is no value of its type.</exception>
    public static T Defined<T>(T value, [CallerMemberName] string name = "")
        where T : struct, Enum =>
        Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(
                name,
                value,
                $"{name} {value} is not supported; use one of {string.Join(", ", Enum.GetNames<T>())}"
            );

    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public static long Size(long value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(value, 1, name);
        return value;
    }

    /// <exception cref="ArgumentOutOfRangeException">It is no probability.</exception>
    public static double Probability(double value, [CallerMemberName] string name = "") =>
        value is >= 0 and <= 1
            ? value
            : throw new ArgumentOutOfRangeException(name, value, $"{name} is a probability, from 0 to 1");
}
