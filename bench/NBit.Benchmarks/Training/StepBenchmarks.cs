using BenchmarkDotNet.Attributes;

namespace NBit.Benchmarks.Training;

/// <summary>A training step, for the record; here with its share of what each fit does once.</summary>
/// <remarks>Not sealed, as BenchmarkDotNet derives from it.</remarks>
public class StepBenchmarks
{
    private const int Steps = 200;

    private StepRun? _run;

    /// <summary>How the model is trained.</summary>
    [ParamsSource(nameof(Cases))]
    public StepCase Case { get; set; } = StepCase.All[0];

    /// <summary>All ways.</summary>
    public static IEnumerable<StepCase> Cases => StepCase.All;

    private StepRun Run => _run ?? throw new InvalidOperationException("benchmarks run between set-up and clean-up");

    /// <summary>Makes the models and the data.</summary>
    [GlobalSetup]
    public void SetUp() => _run = new StepRun(Case, Steps);

    /// <summary>Releases them.</summary>
    [GlobalCleanup]
    public void CleanUp() => _run?.Dispose();

    /// <summary>The loop as a TorchSharp user writes it.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = Steps)]
    public void HandLoop() => Run.Hand.SecondsOfStep();

    /// <summary>NBit's Trainer.</summary>
    [Benchmark(OperationsPerInvoke = Steps)]
    public void Trainer() => Run.Trainer.SecondsOfStep();
}
