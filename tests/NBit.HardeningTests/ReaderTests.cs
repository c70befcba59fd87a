using System.Diagnostics;
using NBit.HardeningTests.Readers;

namespace NBit.HardeningTests;

/// <summary>
/// Readers of files that may come from anywhere: whatever the bytes are, they are read, or refused by a documented
/// exception, in time and in memory that fit their length.
/// </summary>
[NonParallelizable]
public sealed class ReaderTests
{
    // The reader, inputs of a test run, inputs of the proof
    private static readonly (string Name, Func<Reader> Make, long Quick, long Long)[] Readers =
    [
        ("safetensors", () => new StreamedSafetensors(), 40_000, 50_000_000),
        ("mapped safetensors", () => new MappedSafetensors(), 4_000, 500_000),
        ("sharded safetensors", () => new ShardedSafetensors(), 4_000, 500_000),
        ("quant_state", () => new QuantStates(), 20_000, 2_000_000),
        ("quantized checkpoints", () => new QuantizedCheckpoints(), 4_000, 500_000),
        ("recipes", () => new Recipes(), 20_000, 2_000_000),
        ("model configs", () => new ModelConfigs(), 8_000, 500_000),
        ("tokenizers", () => new Tokenizers(), 2_000, 100_000),
        ("tokenizer configs", () => new TokenizerConfigs(), 2_000, 100_000),
        ("optimizer states", () => new OptimizerStateFiles(), 4_000, 500_000),
        ("training checkpoints", () => new TrainingCheckpoints(), 2_000, 100_000),
    ];

    private static IEnumerable<string> Names() => Readers.Select(reader => reader.Name);

    [Test]
    public void A_reader_reads_or_refuses([ValueSource(nameof(Names))] string name)
    {
        var (_, make, inputs, _) = Readers.Single(reader => reader.Name == name);
        var campaign = Run(make, seed: 1, inputs);
        Assert.That(campaign.Findings, Is.Empty);
        Assert.That(campaign.LeftTensors, Is.Zero, "live tensors");
        Assert.That(
            campaign.Taken,
            Is.InRange(inputs / 200, inputs / 2),
            "valid inputs: too few, or hardly any damage"
        );
    }

    [Test]
    [Category("Proof")]
    public void A_reader_reads_or_refuses_very_many_inputs([ValueSource(nameof(Names))] string name)
    {
        var (_, make, _, inputs) = Readers.Single(reader => reader.Name == name);
        var watch = Stopwatch.StartNew();
        var campaign = Run(make, seed: 2, inputs);
        TestContext.Progress.WriteLine(
            $"{name}: {inputs} inputs in {watch.Elapsed.TotalSeconds:F0} s, {campaign.Taken} of them valid, "
                + $"{campaign.Findings.Count} findings"
        );
        Assert.That(campaign.Findings, Is.Empty);
        Assert.That(campaign.LeftTensors, Is.Zero, "live tensors");
    }

    private static Campaign Run(Func<Reader> make, ulong seed, long inputs)
    {
        var campaign = new Campaign(make, seed, inputs);
        campaign.Run(Environment.ProcessorCount);
        return campaign;
    }
}
