using BenchmarkDotNet.Attributes;

namespace NBit.Benchmarks.Casts;

/// <summary>Casts with the instruction set that NBit chooses, for the record.</summary>
/// <remarks>Not sealed, as BenchmarkDotNet derives from it.</remarks>
public class CastBenchmarks
{
    private CastRun? _run;

    /// <summary>The formats.</summary>
    [ParamsSource(nameof(Pairs))]
    public CastPair Pair { get; set; } = CastPair.All[0];

    /// <summary>The number of elements.</summary>
    [Params(CastFamilies.FewElements, 16 << 20)]
    public int Count { get; set; }

    /// <summary>All pairs.</summary>
    public static IEnumerable<CastPair> Pairs => CastPair.All;

    private CastRun Run => _run ?? throw new InvalidOperationException("benchmarks run between set-up and clean-up");

    /// <summary>Makes the memory.</summary>
    [GlobalSetup]
    public void SetUp() => _run = new CastRun(Pair, Count);

    /// <summary>Releases it.</summary>
    [GlobalCleanup]
    public void CleanUp() => _run?.Dispose();

    /// <summary>libtorch's copy_ into a given tensor.</summary>
    [Benchmark(Baseline = true)]
    public void Libtorch() => Run.CastByLibtorch();

    /// <summary>nbit_values_cast by its P/Invoke.</summary>
    [Benchmark]
    public void NBit() => Run.CastByNBit();
}
