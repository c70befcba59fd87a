using NBit.Amp;
using NBit.Checkpoints;
using NBit.Native;
using NBit.Optimizers;
using NBit.Quantization;
using NBit.TransformerEngine;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.HardeningTests.Memory;

/// <summary>
/// Live tensors and native bytes after very many calls: as many as before, whether calls end well or not.
/// </summary>
[NonParallelizable]
public sealed class FlatMemoryTests
{
    private const int Few = 2_000,
        Many = 100_000,
        WarmUp = 10; // caches and states are made by the first calls

    private static readonly Dictionary<string, Func<Work>> Works = new(StringComparer.Ordinal)
    {
        ["casts of autocast"] = Casts,
        ["4-bit codes"] = Codes4,
        ["8-bit codes"] = Codes8,
        ["int8 rows"] = Rows,
        ["4-bit linear"] = () => Layer(new Linear4bit(64, 8)),
        ["8-bit linear"] = () => Layer(new Linear8bitLt(64, 8, hasFp16Weights: false)),
        ["optimizer steps"] = Steps,
        ["float8 casts"] = Float8Casts,
        ["float8 linear"] = Float8Layer,
        ["safetensors"] = Safetensors,
    };

    private int _threads;

    // Threads that wait for each other cost more than they bring in products as small as these.
    [OneTimeSetUp]
    public void UseOneThread()
    {
        _threads = get_num_threads();
        set_num_threads(1);
    }

    [OneTimeTearDown]
    public void UseAllThreads() => set_num_threads(_threads);

    private static IEnumerable<string> Names() => Works.Keys;

    [Test]
    public void Calls_and_refusals_leave_nothing([ValueSource(nameof(Names))] string name) => AssertFlat(name, Few);

    [Test]
    [Category("Proof")]
    public void Very_many_calls_and_refusals_leave_nothing([ValueSource(nameof(Names))] string name) =>
        AssertFlat(name, Many);

    private static void AssertFlat(string name, int calls)
    {
        using var work = Works[name]();
        Repeat(work, WarmUp);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = (Tensor.TotalCount, NativeMemory());
        Repeat(work, calls);
        var after = (Tensor.TotalCount, NativeMemory());
        TestContext.Progress.WriteLine($"{name}: {calls} calls, {calls} refusals; tensors and native memory {after}");
        Assert.That(after, Is.EqualTo(before));
    }

    private static void Repeat(Work work, int calls)
    {
        for (var call = 0; call < calls; call++)
        {
            work.Call();
            work.Refuse();
        }
    }

    private static unsafe (long Bytes, long Blocks) NativeMemory()
    {
        long bytes,
            blocks;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_memory_count(&bytes, &blocks));
        return (bytes, blocks);
    }

    private static Tensor Numbers() => linspace(-1, 1, 4 * 64).reshape(4, 64);

    // What fails is the user's: an error of libtorch's takes milliseconds, to name the functions on the stack.
    private static Work Casts()
    {
        var (x, layer) = (Numbers(), nn.Linear(64, 8));
        return new(
            () => Forward(y => y.sum().backward()),
            () => Forward(_ => throw new InvalidOperationException("a loss that cannot be")),
            x,
            layer
        );

        void Forward(Action<Tensor> loss)
        {
            using var scope = NewDisposeScope();
            using var autocast = new Autocast(DeviceType.CPU, ScalarType.BFloat16);
            loss(layer.forward(x));
        }
    }

    private static Work Codes4()
    {
        var x = Numbers();
        return new(() => RoundTrip(64), () => RoundTrip(3), x);

        void RoundTrip(int blocksize)
        {
            using var scope = NewDisposeScope();
            var (packed, state) = Functional.Quantize4Bit(x, QuantType.NF4, blocksize, compressStatistics: true);
            using (packed)
            using (state)
            {
                Functional.Dequantize4Bit(packed, state);
            }
        }
    }

    private static Work Codes8()
    {
        var x = Numbers();
        return new(() => RoundTrip(null), () => RoundTrip(x), x);

        void RoundTrip(Tensor? wrong)
        {
            using var scope = NewDisposeScope();
            var (codes, state) = Functional.QuantizeBlockwise(x, blocksize: 64, nested: true);
            using (codes)
            using (state)
            {
                Functional.DequantizeBlockwise(wrong ?? codes, state);
            }
        }
    }

    private static Work Rows()
    {
        var x = Numbers();
        return new(() => RoundTrip(null), () => RoundTrip(x), x);

        void RoundTrip(Tensor? wrong)
        {
            using var scope = NewDisposeScope();
            using var rows = Functional.Int8VectorwiseQuantize(x, threshold: 0.9);
            Functional.Int8VectorwiseDequantize(wrong ?? rows.Codes, rows.RowAbsmax);
        }
    }

    private static Work Layer(nn.Module<Tensor, Tensor> layer)
    {
        var (x, wrong) = (Numbers().requires_grad_(), ones(4, 63));
        return new(() => Forward(x), () => Forward(wrong), x, wrong, layer);

        void Forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            layer.forward(input).sum().backward();
        }
    }

    private static Work Steps()
    {
        var parameter = new Parameter(Numbers()) { grad = Numbers() };
        var optimizer = new Adam8bit([("a", parameter)], settings: new() { Min8bitSize = 0 });
        return new(() => optimizer.step(), Load, optimizer, parameter);

        void Load()
        {
            using var source = SafetensorsReader.Open(new MemoryStream([2, 0, 0, 0, 0, 0, 0, 0, .. "{}"u8]));
            optimizer.LoadState(source, "");
        }
    }

    private static Work Float8Casts()
    {
        var (x, wrong) = (Numbers(), zeros(4, 64, ScalarType.Int64));
        return new(() => RoundTrip(x), () => RoundTrip(wrong), x, wrong);

        static void RoundTrip(Tensor source)
        {
            using var scope = NewDisposeScope();
            using var matrix = Float8Functional.Quantize(source, CodeFormat.E4M3);
            Float8Functional.Dequantize(matrix);
        }
    }

    private static Work Float8Layer()
    {
        var (x, wrong, layer) = (Numbers(), ones(4, 63), new TE.Linear(64, 8));
        return new(() => Forward(x), () => Forward(wrong), x, wrong, layer);

        void Forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            using var region = Float8.Autocast();
            layer.forward(input).sum().backward();
        }
    }

    private static Work Safetensors()
    {
        var x = Numbers();
        using var file = new MemoryStream();
        SafetensorsWriter.Write(file, [("x", x)]);
        var bytes = file.ToArray();
        return new(() => Read(bytes), () => Read(bytes[..^1]), x);

        static void Read(byte[] content)
        {
            using var reader = SafetensorsReader.Open(new MemoryStream(content));
            using var tensor = reader.Read("x");
        }
    }
}
