using System.Globalization;
using NBit.Amp;
using NBit.Precision;
using NBit.Training;
using NBit.Training.Callbacks;
using NBit.Training.Data;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.TestApp;

/// <summary>
/// A run that can be killed and started again: dropout, shuffling, accumulation, real float16 with a scaler, a
/// scheduler, and a checkpoint every few steps. It appends "STEP LOSS" lines to losses.txt, the loss as its bits.
/// </summary>
internal static class Training
{
    private const int Samples = 448,
        BatchSize = 16,
        Epochs = 6;

    public static int Run(string folder)
    {
        Directory.CreateDirectory(folder);
        Trainer.SeedEverything(7);
        using var x = randn(Samples, 32);
        using var y = randint(0, 4, [Samples]);
        using var losses = new StreamWriter(Path.Combine(folder, "losses.txt"), append: true) { AutoFlush = true };
        using var module = new Net(losses);
        using var scaling = new MixedPrecision(
            "16-mixed",
            DeviceType.CPU,
            new GradScaler(DeviceType.CPU, initScale: 65536, growthInterval: 7)
        );
        using var trainer = new Trainer(
            plugin: scaling,
            accelerator: "cpu",
            maxEpochs: Epochs,
            accumulateGradBatches: 2,
            gradientClipVal: 1,
            defaultRootDir: folder,
            logEveryNSteps: 1,
            enableProgressBar: false,
            callbacks: [new ModelCheckpoint(everyNTrainSteps: 3, saveTopK: 1)]
        );
        trainer.Fit(
            module,
            new ShuffledBatches<(Tensor, Tensor)>(Samples, BatchSize, Pick, seed: 3),
            resumeFrom: "last"
        );
        module.save(Path.Combine(folder, "final.dat"));
        return 0;

        (Tensor X, Tensor Y) Pick(long[] indices)
        {
            using var chosen = tensor(indices);
            return (x.index_select(0, chosen), y.index_select(0, chosen));
        }
    }

    private sealed class Net : TrainingModule<(Tensor X, Tensor Y)>
    {
        private const int Hidden = 512; // large enough that saving takes as long as a few steps
        private readonly StreamWriter _losses;
        private readonly Linear _first = nn.Linear(32, Hidden),
            _second = nn.Linear(Hidden, Hidden),
            _third = nn.Linear(Hidden, 4);
        private readonly Dropout _dropout = nn.Dropout(0.3);

        public Net(StreamWriter losses)
            : base(nameof(Net))
        {
            _losses = losses;
            RegisterComponents();
        }

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex)
        {
            var hidden = _dropout.forward(nn.functional.relu(_first.forward(batch.X)));
            var logits = _third.forward(_dropout.forward(nn.functional.relu(_second.forward(hidden))));
            var loss = nn.functional.cross_entropy(logits, batch.Y);
            var bits = BitConverter.SingleToInt32Bits(loss.item<float>()).ToString("x8", CultureInfo.InvariantCulture);
            _losses.WriteLine($"{CurrentEpoch}/{batchIndex}/{GlobalStep} {bits}");
            Log("loss", loss);
            return loss;
        }

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers()
        {
            var optimizer = optim.AdamW(parameters(), lr: 1e-3);
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(
                        optim.lr_scheduler.StepLR(optimizer, 10, gamma: 0.9),
                        SchedulerInterval.Step
                    )
                ),
            ];
        }
    }
}
