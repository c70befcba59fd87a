using System.Runtime.InteropServices;
using NBit.Testing;
using static TorchSharp.torch;

namespace NBit.Tests.Interop;

/// <summary>The helper that calls libtorch's operators by name.</summary>
public sealed partial class DispatcherTests
{
    [Test]
    public void Arguments_of_all_kinds_reach_an_operator()
    {
        using var scope = NewDisposeScope();
        var x = arange(6, ScalarType.Float32).reshape(1, 2, 3);
        AssertEqual(
            Dispatcher.Call("aten::pad", x, new[] { 1L, 2L }, "constant", Argument.Some(0.5)),
            nn.functional.pad(x, [1, 2], value: 0.5)
        );
        AssertEqual(
            Dispatcher.Call(
                "aten::sum.dim_IntList",
                x,
                Argument.Some(new[] { 1L }),
                true,
                Argument.Some(ScalarType.Float64)
            ),
            x.sum(1, true, ScalarType.Float64)
        );
        AssertEqual(
            Dispatcher.Call("aten::upsample_nearest1d.vec", x, null, Argument.Some(new[] { 2.0 })),
            x.repeat_interleave(2, -1)
        );
        AssertEqual(Dispatcher.Call("aten::cat", new[] { x, x }, 1), cat([x, x], 1));
        var indices = Argument.List(null, Argument.Some(tensor(new[] { 1L })));
        AssertEqual(
            Dispatcher.Call("aten::index_put", x, indices, tensor(9f), false),
            stack([x[0, 0], full_like(x[0, 0], 9)]).unsqueeze(0)
        );
        var sorted = Dispatcher.CallMany(2, "aten::sort", x, -1, true);
        AssertEqual(sorted[0], x.flip(-1));
        Assert.That(sorted[1].dtype, Is.EqualTo(ScalarType.Int64));
    }

    [Test]
    public void An_operator_that_fails_throws_with_its_name()
    {
        using var scope = NewDisposeScope();
        var error = Assert.Throws<DispatcherException>(() => Dispatcher.Call("aten::mm", ones(2, 3), ones(2, 3)));
        Assert.That(error.Message, Does.Contain("aten::mm"));
        Assert.Throws<DispatcherException>(() => Dispatcher.Call("aten::not_an_operator"));
    }

    [Test]
    [Platform("Linux", Reason = "glibc says how much memory it gave out")]
    public void A_call_leaves_nothing_behind() =>
        AssertLeavesBehind(
            bytes: 0,
            static weight =>
                Dispatcher.Call(
                    "aten::conv1d",
                    ones(1, 1, 8),
                    weight,
                    Argument.Some(ones(1)),
                    new[] { 1L },
                    new[] { 0L },
                    new[] { 1L },
                    1
                )
        );

    [Test]
    [Platform("Linux", Reason = "glibc says how much memory it gave out")]
    public void A_string_leaves_behind_only_the_copy_that_libtorch_itself_loses() =>
        AssertLeavesBehind(bytes: 48, static weight => Dispatcher.Call("aten::gelu", weight, "none"));

    private static void AssertLeavesBehind(long bytes, Func<Tensor, Tensor> call)
    {
        const int rounds = 9,
            calls = 10_000;
        const long smallest = 24; // what the smallest allocation takes: less than that is not one a call
        using var weight = ones(1, 1, 1);
        Repeat(calls);
        GC.Collect(); // what other tests dropped must not be finalized, and so counted, in between
        GC.WaitForPendingFinalizers();
        var tensors = Tensor.TotalCount;
        var growths = new long[rounds]; // the runtime allocates too, but not in every round
        for (var round = 0; round < rounds; round++)
        {
            var before = AllocatedBytes();
            Repeat(calls);
            growths[round] = AllocatedBytes() - before;
        }

        Array.Sort(growths);
        Assert.That(Tensor.TotalCount, Is.EqualTo(tensors), "live tensors");
        Assert.That(growths[rounds / 2], Is.LessThan(calls * (bytes + smallest)), "bytes");

        void Repeat(int count)
        {
            for (var i = 0; i < count; i++)
            {
                using var scope = NewDisposeScope();
                call(weight);
            }
        }
    }

    private static void AssertEqual(Tensor actual, Tensor expected)
    {
        Assert.That(actual.dtype, Is.EqualTo(expected.dtype));
        Assert.That(actual.Equals(expected), Is.True);
    }

    private static long AllocatedBytes()
    {
        var info = mallinfo2();
        return (long)(info.InUse + info.Mapped);
    }

    [LibraryImport("libc")]
    private static partial MemoryInfo mallinfo2();

    // struct mallinfo2 of malloc.h
    [StructLayout(LayoutKind.Sequential)]
    private struct MemoryInfo
    {
        public nuint Arena,
            FreeChunks,
            FastBins,
            MappedRegions,
            Mapped,
            Unused,
            FastBinsFree,
            InUse,
            Free,
            Releasable;
    }
}
