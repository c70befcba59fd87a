namespace NBit.Benchmarks.Casts;

/// <summary>A conversion between two formats.</summary>
public sealed record CastPair
{
    private CastPair(Format from, Format to) => (From, To) = (from, to);

    /// <summary>float32 to and from each smaller format, and the 16-bit formats to and from float8.</summary>
    public static IReadOnlyList<CastPair> All { get; } =
    [
        .. Both([Format.Float32], [Format.BFloat16, Format.Float16, Format.Float8E4M3, Format.Float8E5M2]),
        .. Both([Format.BFloat16, Format.Float16], [Format.Float8E4M3, Format.Float8E5M2]),
    ];

    internal Format From { get; }

    internal Format To { get; }

    /// <inheritdoc />
    public override string ToString() => $"{From} to {To}";

    private static IEnumerable<CastPair> Both(Format[] wide, Format[] narrow) =>
        from one in wide
        from other in narrow
        from pair in (CastPair[])[new(one, other), new(other, one)]
        select pair;
}
