using NBit.Benchmarks.Measurement;

namespace NBit.Benchmarks.Training;

/// <summary>A training step of the Trainer, beside the loop written by hand.</summary>
internal sealed class StepRow(StepCase how) : Row($"{how}")
{
    private const int Steps = 100;
    private const int CheckedSteps = 10;

    public override Trial Prepare()
    {
        var run = new StepRun(how, Steps);
        return new Trial(run)
        {
            Contenders = [new("Trainer", run.Trainer.SecondsOfStep), new("loop by hand", run.Hand.SecondsOfStep)],
        };
    }

    public override string Check()
    {
        using var run = new StepRun(how, CheckedSteps);
        run.Trainer.SecondsOfStep();
        run.Hand.SecondsOfStep();
        if (run.Hand.Model.HasWeightsOf(run.Hand.Model.InitialWeights))
        {
            throw new CheckFailedException($"{CheckedSteps} steps of the loop by hand changed no weight");
        }

        return run.Trainer.Model.HasWeightsOf(run.Hand.Model.parameters())
            ? $"after {CheckedSteps} steps, the weights are bit for bit those of the loop by hand"
            : throw new CheckFailedException($"after {CheckedSteps} steps, the weights differ from the loop by hand");
    }
}
