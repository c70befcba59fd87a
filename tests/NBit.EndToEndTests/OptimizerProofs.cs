using System.Text.Json;
using NBit.Testing;

namespace NBit.EndToEndTests;

/// <summary>What takes minutes to show; ./build.sh proof runs it.</summary>
[Category("Proof")]
public sealed class OptimizerProofs
{
    // Of 23 batches each: 5,014 steps
    private const int Epochs = 218,
        Seeds = 5;
    private const double MostLoss = 0.005;

    // 2 bytes a parameter for nine tenths of them, 8 for the rest, of 8 for all
    private const double MostBytes = 0.325;

    // Threads that wait for each other cost more than they bring in products as small as these.
    private static readonly Dictionary<string, string> OneThread = new(StringComparer.Ordinal)
    {
        ["OMP_NUM_THREADS"] = "1",
    };

    [TestCase("1e-8")] // what Adam has where nothing else is said
    [TestCase("1e-4")] // what the demonstration has
    public void Five_thousand_steps_of_Adam_in_8_bits_are_as_accurate_as_in_32(string epsilon)
    {
        var runs = Enumerable
            .Range(1, Seeds)
            .SelectMany(seed => Run(seed, epsilon))
            .ToLookup(run => run.Optimizer, StringComparer.Ordinal);
        double eight = runs["adam8bit"].Average(run => run.Accuracy),
            full = runs["adam32bit"].Average(run => run.Accuracy);
        TestContext.Out.WriteLine($"mean accuracy in 8 bits {eight:P2}, in 32 bits {full:P2}");
        Assert.That(runs["adam8bit"].Count(), Is.EqualTo(Seeds));
        Assert.That(runs["adam8bit"].First().Bytes, Is.LessThan(MostBytes * runs["adam32bit"].First().Bytes));
        Assert.That(eight, Is.GreaterThanOrEqualTo(full - MostLoss));
    }

    private static List<(string Optimizer, double Accuracy, long Bytes)> Run(int seed, string epsilon)
    {
        var plot = Path.Combine(Path.GetTempPath(), $"nbit-{Guid.NewGuid():N}.png");
        var result = ChildProcess.Run(
            "NBit.Cli",
            [
                .. "demo digits --json --mode 32-true --optimizer adam32bit adam8bit".Split(' '),
                "--epochs",
                $"{Epochs}",
                "--seed",
                $"{seed}",
                "--eps",
                epsilon,
                "--plot",
                plot,
            ],
            OneThread
        );
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        File.Delete(plot);
        return
        [
            .. JsonDocument
                .Parse(result.Output)
                .RootElement.EnumerateArray()
                .Select(row =>
                    (
                        row.GetProperty("optimizer").GetString()!,
                        row.GetProperty("test_accuracy").GetDouble(),
                        row.GetProperty("optimizer_bytes").GetInt64()
                    )
                ),
        ];
    }
}
