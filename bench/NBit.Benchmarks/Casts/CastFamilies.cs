using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Casts;

/// <summary>Casts of much and of little data.</summary>
internal static class CastFamilies
{
    /// <summary>So few elements that the call itself counts.</summary>
    public const int FewElements = 4096;

    private const int ManyElements = 64 << 20; // 384 MiB in both formats
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
        yield return new Family(
            "casts-scaled",
            "nbit_values_cast with scale and amax against a plain copy_, from memory to memory",
            Unit.GigabytesPerSecond,
            [
                .. CastPair
                    .All.Where(pair => pair.To.Saturates)
                    .Select(pair => new ScaledCastRow(pair, MemoryCount(pair))
                    {
                        Target =
                            (pair.From, pair.To) == (Format.Float32, Format.Float8E4M3)
                                ? Target.ShareOf(MachineLimits.StreamingCopyName, LeastShare)
                                : null,
                    }),
            ]
        );
        yield return new Family(
            "casts-dotnet",
            "nbit_values_cast against System.Numerics.Tensors, one thread each",
            Unit.GigabytesPerSecond,
            [
                new TensorPrimitivesRow(toHalf: true, FewElements, CallsOfFew),
                new TensorPrimitivesRow(toHalf: false, FewElements, CallsOfFew),
                new TensorPrimitivesRow(toHalf: true, ManyElements, calls: 1),
                new TensorPrimitivesRow(toHalf: false, ManyElements, calls: 1),
            ]
        );
    }

    private static long MemoryCount(CastPair pair) => Caches.MemoryBytes / Math.Max(pair.From.Bytes, pair.To.Bytes);

    private static CastRow InCaches(CastPair pair, InstructionSet set) =>
        new(pair, set, FewElements, CallsOfFew, isLimitedByMemory: false);

    private static CastRow FromMemory(CastPair pair, InstructionSet set)
    {
        var hasTarget = set == InstructionSet.Chosen && (pair.From == Format.Float32 || pair.To == Format.Float32);
        return new CastRow(pair, set, MemoryCount(pair), calls: 1, isLimitedByMemory: true)
        {
            Target = hasTarget ? Target.ShareOf(MachineLimits.StreamingCopyName, LeastShare) : null,
        };
    }
}
