using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Casts;

/// <summary>A cast with one instruction set of NBit's, beside libtorch's <c>copy_</c> into the same memory.</summary>
/// <param name="pair">The formats.</param>
/// <param name="set">The instruction set.</param>
/// <param name="count">The number of elements.</param>
/// <param name="calls">How many calls are timed together.</param>
/// <param name="isLimitedByMemory">Whether the elements are too many for the caches.</param>
internal sealed class CastRow(CastPair pair, InstructionSet set, long count, int calls, bool isLimitedByMemory)
    : Row($"{pair}, {set.Name}")
{
    public override Trial Prepare()
    {
        var run = new CastRun(pair, count);
        double read = count * pair.From.Bytes,
            written = count * pair.To.Bytes;
        return new Trial(run)
        {
            Contenders =
            [
                new("NBit", () => WithInstructionSet(() => Clock.Seconds(run.CastByNBit, calls))),
                new("libtorch", () => Clock.Seconds(run.CastByLibtorch, calls)),
            ],
            Limits = isLimitedByMemory
                ? [MachineLimits.StreamingCopy(read + written), MachineLimits.Reading(read)]
                : [],
            Work = read + written,
        };
    }

    public override string Check() =>
        WithInstructionSet(() => CastCheck.Run(pair, most: (int)Math.Min(count, CastRun.PatternCount)));

    private T WithInstructionSet<T>(Func<T> work)
    {
        set.Use();
        try
        {
            return work();
        }
        finally
        {
            InstructionSet.Chosen.Use();
        }
    }
}
