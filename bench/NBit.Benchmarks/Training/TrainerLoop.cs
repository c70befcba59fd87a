using NBit.Training;

namespace NBit.Benchmarks.Training;

/// <summary>NBit's Trainer.</summary>
internal sealed class TrainerLoop : TrainingLoop
{
    private readonly Trainer _trainer;
    private readonly TimedModule _module;

    public TrainerLoop(StepCase how, StepData data)
        : base(how, data)
    {
        _module = new TimedModule(Model, how);
        _trainer = new Trainer(
            how.Precision,
            accelerator: "cpu",
            maxEpochs: 1,
            gradientClipVal: how.MaxNorm,
            enableProgressBar: false
        );
    }

    protected override double RunEpoch()
    {
        _trainer.Fit(_module, Data.Batches());
        return _module.Seconds;
    }

    protected override void Dispose(bool disposing)
    {
        _trainer.Dispose();
        _module.Dispose();
        base.Dispose(disposing);
    }
}
