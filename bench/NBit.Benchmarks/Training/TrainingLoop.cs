namespace NBit.Benchmarks.Training;

/// <summary>A way to train the model, one epoch a run.</summary>
internal abstract class TrainingLoop(StepCase how, StepData data) : IDisposable
{
    /// <summary>The model; a run leaves it trained.</summary>
    public Mlp Model { get; } = new();

    protected StepCase How { get; } = how;

    protected StepData Data { get; } = data;

    /// <summary>Trains the model from its first weights on.</summary>
    /// <returns>The seconds of a step, without what is done once before the first and after the last one.</returns>
    public double SecondsOfStep()
    {
        Model.Reset();
        return RunEpoch() / Data.Steps;
    }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract double RunEpoch();

    protected virtual void Dispose(bool disposing) => Model.Dispose();
}
