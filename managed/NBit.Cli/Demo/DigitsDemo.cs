using System.Diagnostics;
using NBit.Precision;
using NBit.Training;
using NBit.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Cli.Demo;

/// <summary>Trains the same model on the same data with the same seed in a precision, by an optimizer.</summary>
internal sealed class DigitsDemo(int totalEpochs, long seed, double epsilon)
{
    private const int BatchSize = 64;

    /// <summary>Runs an epoch whose time does not count: the first one compiles the program.</summary>
    public void WarmUp(string mode, string optimizer) => Run(mode, optimizer, epochs: 1);

    /// <summary>Trains and tests.</summary>
    public DigitsResult Run(string mode, string optimizer) => Run(mode, optimizer, totalEpochs);

    private DigitsResult Run(string mode, string optimizer, int epochs)
    {
        using var digits = Digits.Load();
        Trainer.SeedEverything(seed);
        // As a plugin, 16-mixed is real float16 with a scaler on the CPU too.
        var precision = PrecisionModes.Create(mode, DeviceType.CPU);
        using var module = new DigitsModule(
            epochs,
            precision is BitsandbytesPrecision { FreezesWeights: true },
            optimizer,
            epsilon
        );
        using var trainer = new Trainer(
            plugin: precision,
            accelerator: "cpu",
            maxEpochs: epochs,
            enableProgressBar: false
        );
        var batches = new ShuffledBatches<(Tensor, Tensor)>(
            (int)digits.TrainLabels.shape[0],
            BatchSize,
            indices => Pick(digits.TrainImages, digits.TrainLabels, indices),
            seed
        );
        var clock = Stopwatch.StartNew();
        trainer.Fit(module, batches);
        clock.Stop();
        var metrics = trainer.Test(module, [(digits.TestImages, digits.TestLabels)]);
        return new DigitsResult(
            new DigitsSummary(
                mode,
                optimizer,
                metrics["accuracy"],
                module.Losses.TakeLast(batches.Count).Average(),
                MemorySize.ModuleBytes(module),
                module.OptimizerBytes,
                epochs * digits.TrainLabels.shape[0] / clock.Elapsed.TotalSeconds
            ),
            module.Losses,
            module.Scales
        );
    }

    private static (Tensor Images, Tensor Labels) Pick(Tensor images, Tensor labels, long[] indices)
    {
        using var chosen = tensor(indices);
        return (images.index_select(0, chosen), labels.index_select(0, chosen));
    }
}
