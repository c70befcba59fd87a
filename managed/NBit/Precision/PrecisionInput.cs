using NBit.Logging;

namespace NBit.Precision;

/// <summary>
/// What a user gives as <c>precision</c>: one of the strings <c>transformer-engine</c>,
/// <c>transformer-engine-float16</c>, <c>16-true</c>, <c>16-mixed</c>, <c>bf16-true</c>, <c>bf16-mixed</c>,
/// <c>32-true</c>, <c>64-true</c>, one of the integers 64, 32, 16, or one of the older strings <c>64</c>, <c>32</c>,
/// <c>16</c>, <c>bf16</c>. Converts from string and int; null and the default value mean that nothing was given, which
/// is <c>32-true</c>.
/// </summary>
public readonly record struct PrecisionInput
{
    private static readonly string[] Modes =
    [
        "transformer-engine",
        "transformer-engine-float16",
        "16-true",
        "16-mixed",
        "bf16-true",
        "bf16-mixed",
        "32-true",
        "64-true",
    ];

    private static readonly Dictionary<string, string> Aliases = new(StringComparer.Ordinal)
    {
        ["64"] = "64-true",
        ["32"] = "32-true",
        ["16"] = "16-mixed",
        ["bf16"] = "bf16-mixed",
    };

    private static readonly string[] BitsandbytesModes = ["nf4", "nf4-dq", "fp4", "fp4-dq", "int8", "int8-training"];

    private PrecisionInput(string text, string mode)
    {
        Text = text;
        Mode = mode;
    }

    /// <summary>What was given; null if nothing was.</summary>
    public string? Text { get; }

    /// <summary>The mode that it means, one of the first eight strings.</summary>
    public string Mode
    {
        get => field ?? "32-true";
    }

    /// <summary>Reads a string.</summary>
    /// <param name="precision">Exactly one of the allowed strings (case and spaces count), or null.</param>
    /// <exception cref="ArgumentException">It is another one; the message lists the allowed ones.</exception>
    public static implicit operator PrecisionInput(string? precision) => FromString(precision);

    /// <summary>Reads a number of bits.</summary>
    /// <param name="bits">64, 32 or 16.</param>
    /// <exception cref="ArgumentException">It is another one; the message lists the allowed ones.</exception>
    public static implicit operator PrecisionInput(int bits) => FromInt32(bits);

    /// <summary>Reads a string.</summary>
    /// <param name="precision">Exactly one of the allowed strings (case and spaces count), or null.</param>
    /// <returns>The input.</returns>
    /// <exception cref="ArgumentException">It is another one; the message lists the allowed ones.</exception>
    public static PrecisionInput FromString(string? precision) =>
        precision is null ? default
        : Aliases.TryGetValue(precision, out var mode) ? FromAlias(precision, mode)
        : Modes.Contains(precision, StringComparer.Ordinal) ? new PrecisionInput(precision, precision)
        : throw Invalid(Describe(precision), BitsandbytesHint(precision));

    /// <summary>Reads a number of bits.</summary>
    /// <param name="bits">64, 32 or 16.</param>
    /// <returns>The input.</returns>
    /// <exception cref="ArgumentException">It is another one; the message lists the allowed ones.</exception>
    public static PrecisionInput FromInt32(int bits) =>
        bits is 64 or 32 or 16 ? FromAlias($"{bits}", Aliases[$"{bits}"]) : throw Invalid($"{bits}");

    /// <inheritdoc />
    public override string ToString() => Text ?? "None";

    /// <summary>A string as messages quote it.</summary>
    internal static string Describe(string? text) => text is null ? "None" : $"'{text}'";

    private static PrecisionInput FromAlias(string text, string mode)
    {
        if (mode.EndsWith("-mixed", StringComparison.Ordinal))
        {
            Log.Warning(
                $"`precision={text}` is supported for historical reasons but its usage is discouraged. "
                    + $"Please set your precision to {mode} instead!"
            );
        }

        return new PrecisionInput(text, mode);
    }

    private static ArgumentException Invalid(string given, string hint = "")
    {
        var allowed = Modes.Select(Describe).Concat(["64", "32", "16"]).Concat(Aliases.Keys.Select(Describe));
        return new ArgumentException(
            $"Precision {given} is invalid. Allowed precision values: ({string.Join(", ", allowed)}){hint}"
        );
    }

    private static string BitsandbytesHint(string precision)
    {
        var mode =
            BitsandbytesModes.Contains(precision, StringComparer.Ordinal) ? precision
            : precision.StartsWith("int8", StringComparison.Ordinal) ? "int8"
            : precision is "bitsandbytes" or "int4" || precision.StartsWith("nf4", StringComparison.Ordinal) ? "nf4"
            : precision.StartsWith("fp4", StringComparison.Ordinal) ? "fp4"
            : null;
        return mode is null
            ? ""
            : $". Quantized modes are plugins: pass plugin: new BitsandbytesPrecision(\"{mode}\") instead of a precision.";
    }
}
