using BenchmarkDotNet.Attributes;
using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Reports;

/// <summary>Every row by BenchmarkDotNet, for the record. What an operation is, the row says: some time many calls.</summary>
/// <remarks>Not sealed, as BenchmarkDotNet derives from it.</remarks>
public class RowBenchmarks
{
    private static readonly Dictionary<string, Row> All = Families
        .All([InstructionSet.Chosen])
        .SelectMany(family => family.Rows.Select(row => (Name: $"{family.Name} {row.Name}", Row: row)))
        .ToDictionary(row => row.Name, row => row.Row, StringComparer.Ordinal);

    private static IReadOnlyCollection<string> _chosen = All.Keys;

    private Trial? _trial;

    /// <summary>The family and the row.</summary>
    [ParamsSource(nameof(Rows))]
    public string Row { get; set; } = "";

    /// <summary>The rows that are measured.</summary>
    public static IEnumerable<string> Rows => _chosen;

    private Trial Trial => _trial ?? throw new InvalidOperationException("benchmarks run between set-up and clean-up");

    /// <summary>Measures these rows and no others.</summary>
    internal static void Only(IReadOnlyCollection<string> rows) => _chosen = rows;

    /// <summary>Makes the memory.</summary>
    [GlobalSetup]
    public void SetUp() => _trial = All[Row].Prepare();

    /// <summary>Releases it.</summary>
    [GlobalCleanup]
    public void CleanUp() => _trial?.Dispose();

    /// <summary>The peer.</summary>
    [Benchmark(Baseline = true)]
    public double Peer() => Trial.Contenders[1].Seconds();

    /// <summary>NBit.</summary>
    [Benchmark]
    public double NBit() => Trial.Contenders[0].Seconds();
}
