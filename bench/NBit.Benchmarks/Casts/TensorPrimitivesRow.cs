using System.Numerics.Tensors;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Casts;

/// <summary>
/// A cast between float32 and float16, beside .NET's own. <see cref="TensorPrimitives" /> uses one thread, and so does
/// NBit here.
/// </summary>
/// <param name="toHalf">From float32 to float16, or back.</param>
/// <param name="count">The number of elements.</param>
/// <param name="calls">How many calls are timed together.</param>
internal sealed class TensorPrimitivesRow(bool toHalf, int count, int calls)
    : Row($"{(toHalf ? "float32 to float16" : "float16 to float32")}, {count} elements")
{
    public override Trial Prepare()
    {
        var run = new TensorPrimitivesRun(count);
        return new Trial(run)
        {
            Contenders =
            [
                new("NBit", () => Clock.Seconds(() => run.ByNBit(toHalf), calls)),
                new("TensorPrimitives", () => Clock.Seconds(() => run.ByTensorPrimitives(toHalf), calls)),
            ],
            Work = count * (double)TensorPrimitivesRun.BytesOfBoth,
        };
    }

    public override string Check()
    {
        using var run = new TensorPrimitivesRun(count);
        run.ByTensorPrimitives(toHalf);
        var expected = run.Result(toHalf);
        run.Clear(toHalf);
        run.ByNBit(toHalf);
        return run.Result(toHalf).AsSpan().SequenceEqual(expected)
            ? "the bits of .NET's conversion"
            : throw new CheckFailedException("other bits than .NET's conversion");
    }
}
