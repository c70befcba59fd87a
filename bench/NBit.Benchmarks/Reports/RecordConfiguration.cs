using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using NBit.Testing;
using Perfolizer.Horology;

namespace NBit.Benchmarks.Reports;

/// <summary>How BenchmarkDotNet runs: in this process, where NBit has its place already, and in minutes.</summary>
internal sealed class RecordConfiguration : ManualConfig
{
    private const int ColumnWidth = 80; // the names of cases in full

    private static readonly TimeInterval IterationTime = TimeInterval.FromMilliseconds(100);

    public RecordConfiguration()
    {
        Add(DefaultConfig.Instance);
        AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance).WithIterationTime(IterationTime));
        AddDiagnoser(MemoryDiagnoser.Default);
        SummaryStyle = SummaryStyle.Default.WithMaxParameterColumnWidth(ColumnWidth);
        ArtifactsPath = Path.Combine(Repository.Root, "artifacts", "bench");
    }
}
