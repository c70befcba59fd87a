using NBit.Checkpoints;
using NBit.HardeningTests.Inputs;
using NBit.Training;
using NBit.Training.Callbacks;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.HardeningTests.Readers;

/// <summary>Training checkpoints, to resume from.</summary>
internal sealed class TrainingCheckpoints : FileReader
{
    private readonly LineModule _module = new();
    private readonly Trainer _trainer;
    private readonly CheckpointInputs _inputs;

    public TrainingCheckpoints()
        : base("checkpoint.safetensors")
    {
        using var scope = NewDisposeScope();
        _trainer = new(
            precision: "32-true",
            accelerator: "cpu",
            maxEpochs: 2, // so that the checkpoint of the first is in the list of the second
            defaultRootDir: Folder,
            enableProgressBar: false,
            handleInterrupt: false,
            callbacks: [new EarlyStopping("loss")]
        );
        _module.OnEnd = () => _trainer.SaveCheckpoint(File);
        _trainer.Fit(_module, (Tensor[])[ones(2, 1)]);
        _inputs = new(System.IO.File.ReadAllBytes(File));
    }

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) =>
        error is SafetensorsFormatException or CheckpointMismatchException;

    protected override void ReadFile(byte[] input)
    {
        using var scope = NewDisposeScope();
        _trainer.Optimizers = _module.ConfigureOptimizers(); // as at the begin of a fit
        using var optimizer = _trainer.Optimizers[0].Optimizer;
        TrainingCheckpoint.Resume(_trainer, _module, File);
        Require(_trainer.GlobalStep >= 0 && _trainer.CurrentEpoch >= 0, "it goes on before the first step");
    }

    public override void Dispose()
    {
        _trainer.Dispose();
        _module.Dispose();
        base.Dispose();
    }

    /// <summary>y = a x + b.</summary>
    private sealed class LineModule : TrainingModule<Tensor>
    {
        private readonly Linear _line = nn.Linear(1, 1);

        public LineModule()
            : base(nameof(LineModule)) => RegisterComponents();

        public Action? OnEnd { get; set; }

        public override void OnTrainEpochEnd() => OnEnd?.Invoke();

        public override Tensor? TrainingStep(Tensor batch, int batchIndex)
        {
            var loss = _line.forward(batch).square().mean();
            Log("loss", loss);
            return loss;
        }

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers()
        {
            var optimizer = optim.SGD(parameters(), 0.1, momentum: 0.9);
            return
            [
                new(
                    optimizer,
                    new SchedulerConfiguration(
                        optim.lr_scheduler.SequentialLR(
                            optimizer,
                            [optim.lr_scheduler.ConstantLR(optimizer), optim.lr_scheduler.StepLR(optimizer, 2, 0.5)],
                            [1]
                        ),
                        SchedulerInterval.Step
                    )
                ),
            ];
        }
    }
}
