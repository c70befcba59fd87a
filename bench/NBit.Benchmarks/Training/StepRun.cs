namespace NBit.Benchmarks.Training;

/// <summary>Both ways to train, on the same data.</summary>
internal sealed class StepRun : IDisposable
{
    private readonly StepData _data;

    public StepRun(StepCase how, int steps)
    {
        _data = new StepData(steps);
        Trainer = new TrainerLoop(how, _data);
        Hand = new HandLoop(how, _data);
    }

    public TrainingLoop Trainer { get; }

    public TrainingLoop Hand { get; }

    public void Dispose()
    {
        Trainer.Dispose();
        Hand.Dispose();
        _data.Dispose();
    }
}
