namespace NBit.Models;

/// <summary>Chooses the next token: the likeliest, or one drawn from the likeliest.</summary>
/// <remarks>As in transformers: temperature, then top-k, then top-p (nucleus sampling, arXiv 1904.09751).</remarks>
internal sealed class TokenSampler
{
    private readonly double _temperature;
    private readonly int _topK;
    private readonly double _topP;
    private readonly Random _random;

    public TokenSampler(double temperature, int topK, double topP, int? seed)
    {
        if (!double.IsFinite(temperature) || temperature < 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(temperature),
                $"the temperature is {temperature}; allowed: 0 (the likeliest token) or a number above"
            );
        }

        if (topK < 0)
        {
            throw new ArgumentOutOfRangeException(nameof(topK), $"top-k is {topK}; allowed: 0 (all) or a number above");
        }

        if (double.IsNaN(topP) || topP is <= 0 or > 1)
        {
            throw new ArgumentOutOfRangeException(nameof(topP), $"top-p is {topP}; allowed: above 0, up to 1 (all)");
        }

        (_temperature, _topK, _topP) = (temperature, topK, topP);
        _random = seed is { } value ? new Random(value) : new Random();
    }

    /// <summary>Chooses a token.</summary>
    /// <param name="logits">One for each token.</param>
    /// <exception cref="ArithmeticException">A logit is NaN.</exception>
    public long Next(ReadOnlySpan<float> logits)
    {
        foreach (var logit in logits)
        {
            if (float.IsNaN(logit))
            {
                throw new ArithmeticException(
                    "the model gave NaN; its weights are damaged, or too large for the dtype: try float32"
                );
            }
        }

        return _temperature == 0 ? Likeliest(logits) : Draw(logits);
    }

    private static int Likeliest(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var token = 1; token < logits.Length; token++)
        {
            best = logits[token] > logits[best] ? token : best;
        }

        return best;
    }

    private int Draw(ReadOnlySpan<float> logits)
    {
        // Sorted stably, so that equal logits keep their order on every machine.
        var scores = logits.ToArray();
        int[] tokens = [.. Enumerable.Range(0, scores.Length).OrderByDescending(token => scores[token])];
        var kept = tokens.AsSpan(0, _topK == 0 ? tokens.Length : Math.Min(_topK, tokens.Length));
        var weights = new double[kept.Length];
        for (var i = 0; i < kept.Length; i++)
        {
            weights[i] = Math.Exp((scores[kept[i]] - (double)scores[kept[0]]) / _temperature);
        }

        var limit = _topP * weights.Sum();
        var (count, nucleus) = (0, 0.0);
        while (count < weights.Length && nucleus < limit)
        {
            nucleus += weights[count++];
        }

        var place = _random.NextDouble() * nucleus;
        var chosen = 0;
        while (chosen < count - 1 && place >= weights[chosen])
        {
            place -= weights[chosen++];
        }

        return kept[chosen];
    }
}
