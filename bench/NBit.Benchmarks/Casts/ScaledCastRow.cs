using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Casts;

/// <summary>A cast with scale and amax in one pass, beside libtorch's plain <c>copy_</c>, which has neither.</summary>
/// <param name="pair">The formats.</param>
/// <param name="count">The number of elements.</param>
internal sealed class ScaledCastRow(CastPair pair, long count) : Row($"{pair}")
{
    public override Trial Prepare()
    {
        var run = new CastRun(pair, count);
        double bytes = count * (pair.From.Bytes + pair.To.Bytes);
        return new Trial(run)
        {
            Contenders =
            [
                new("NBit", () => Clock.Seconds(() => run.CastByNBitWithAmax())),
                new("libtorch", () => Clock.Seconds(run.CastByLibtorch)),
            ],
            Limits = [MachineLimits.StreamingCopy(bytes)],
            Work = bytes,
        };
    }

    public override string Check()
    {
        using var run = new CastRun(pair, CastRun.PatternCount);
        run.CastByNBit();
        var codes = run.Target.ToArray();
        run.Target.Clear();
        var amax = run.CastByNBitWithAmax();
        var largest = run.LargestMagnitude();
        return amax == largest && run.Target.SequenceEqual(codes)
            ? $"the codes of the plain cast; amax {amax}"
            : throw new CheckFailedException($"amax {amax} instead of {largest}, or other codes than the plain cast's");
    }
}
