namespace NBit.Models;

/// <summary>How a rotary embedding (RoPE, arXiv 2104.09864) turns pairs of a head's elements.</summary>
public sealed record RotaryConfig
{
    private const string Default = "default";
    private const string Linear = "linear";
    private const string Llama3 = "llama3";

    /// <summary>The base of the frequencies.</summary>
    public double Theta { get; init; } = 10_000;

    /// <summary>"default", "linear" or "llama3": how the frequencies were stretched for longer texts.</summary>
    public string Scaling { get; init; } = Default;

    /// <summary>By how much low frequencies are divided; linear divides all of them.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>llama3: waves longer than the original positions over this are divided by the factor.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>llama3: waves shorter than the original positions over this stay.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>llama3: the number of positions before stretching.</summary>
    public double OriginalPositions { get; init; } = 8192;

    /// <summary>
    /// Reads rope_parameters (transformers 5), or rope_theta beside rope_scaling, whose kind was once called "type".
    /// </summary>
    /// <exception cref="NotSupportedException">The kind is another than default, linear and llama3.</exception>
    internal static RotaryConfig Parse(JsonFields fields)
    {
        var inner = fields.Object("rope_parameters") ?? fields.Object("rope_scaling");
        var theta = fields.Positive("rope_theta", 10_000);
        if (inner is null)
        {
            return new() { Theta = theta };
        }

        var kind = inner.Text("rope_type") ?? inner.Text("type") ?? Default;
        var rotary = new RotaryConfig { Theta = inner.Positive("rope_theta", theta), Scaling = kind };
        return kind switch
        {
            Default => rotary,
            Linear => rotary with { Factor = inner.Positive("factor") },
            Llama3 => CheckOrder(
                inner,
                rotary with
                {
                    Factor = inner.Positive("factor"),
                    LowFrequencyFactor = inner.Positive("low_freq_factor"),
                    HighFrequencyFactor = inner.Positive("high_freq_factor"),
                    OriginalPositions = inner.Positive("original_max_position_embeddings"),
                }
            ),
            _ => throw new NotSupportedException(
                $"the rotary embedding's rope_type is '{kind}'; supported are {Default}, {Linear} and {Llama3}"
            ),
        };
    }

    /// <summary>The frequencies, in radians a position, of the pairs of a head.</summary>
    /// <param name="headSize">The width of a head.</param>
    /// <returns>headSize / 2 numbers, falling.</returns>
    internal float[] Frequencies(long headSize) =>
        [
            .. Enumerable
                .Range(0, (int)(headSize / 2))
                .Select(pair => (float)Scaled(Math.Pow(Theta, -2.0 * pair / headSize))),
        ];

    private static RotaryConfig CheckOrder(JsonFields fields, RotaryConfig rotary) =>
        rotary.LowFrequencyFactor < rotary.HighFrequencyFactor
            ? rotary
            : throw fields.Error(
                "low_freq_factor",
                $"{rotary.LowFrequencyFactor}",
                $"a number below high_freq_factor ({rotary.HighFrequencyFactor})"
            );

    private double Scaled(double frequency) =>
        Scaling switch
        {
            Linear => frequency / Factor,
            Llama3 => ScaledAsLlama3(frequency),
            _ => frequency,
        };

    // Between the two wave lengths the division by the factor fades in (Llama 3.1, arXiv 2407.21783; transformers'
    // rope_type "llama3").
    private double ScaledAsLlama3(double frequency)
    {
        var waves = OriginalPositions * frequency / (2 * Math.PI);
        var kept = (waves - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor);
        return double.Lerp(frequency / Factor, frequency, Math.Clamp(kept, 0, 1));
    }
}
