using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Casts;

/// <summary>Casts of much and of little data.</summary>
internal static class CastFamilies
{
    /// <summary>So few elements that the call itself counts.</summary>
    public const int FewElements = 4096;

    private const double LeastShare = 0.7;
    private const int CallsOfFew = 2000;

    /// <param name="sets">The instruction sets of NBit's.</param>
    public static IEnumerable<Family> All(IReadOnlyList<InstructionSet> sets)
    {
        var casts = CastPair.All.SelectMany(pair => sets.Select(set => (Pair: pair, Set: set))).ToList();
        yield return new Family(
            "casts",
            "nbit_values_cast against copy_, from memory to memory",
            Unit.GigabytesPerSecond,
            [.. casts.Select(cast => FromMemory(cast.Pair, cast.Set))]
        );
        yield return new Family(
            "casts-few",
            $"the same for {FewElements} elements in the caches, time of a call",
            Unit.Nanoseconds,
            [.. casts.Select(cast => InCaches(cast.Pair, cast.Set))]
        );
    }

    private static CastRow InCaches(CastPair pair, InstructionSet set) =>
        new(pair, set, FewElements, CallsOfFew, isLimitedByMemory: false);

    private static CastRow FromMemory(CastPair pair, InstructionSet set)
    {
        var count = Caches.MemoryBytes / Math.Max(pair.From.Bytes, pair.To.Bytes);
        var hasTarget = set == InstructionSet.Chosen && (pair.From == Format.Float32 || pair.To == Format.Float32);
        return new CastRow(pair, set, count, calls: 1, isLimitedByMemory: true)
        {
            Target = hasTarget ? Target.ShareOf(MachineLimits.StreamingCopyName, LeastShare) : null,
        };
    }
}
