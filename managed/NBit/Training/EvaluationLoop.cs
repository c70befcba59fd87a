using NBit.Tensors;
using NBit.Training.Data;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>
/// The loop of validation, testing and prediction: no gradients, evaluation mode. Hooks run with the ordinary default dtype and
/// without autocast, steps in the precision.
/// </summary>
internal sealed class EvaluationLoop<TBatch>(Trainer trainer, TrainingModule<TBatch> module, IEnumerable<TBatch> batches)
{
    private BatchSource<TBatch>? _source;

    /// <summary>Runs the steps of the stage that the trainer is in.</summary>
    /// <returns>The means of the metrics that were logged.</returns>
    public IReadOnlyDictionary<string, double> Run() => Run(trainer.Stage);

    /// <summary>Runs the steps of a stage.</summary>
    /// <returns>The means of the metrics that were logged.</returns>
    public IReadOnlyDictionary<string, double> Run(Stage stage)
    {
        var (before, isTest) = (trainer.Stage, stage == Stage.Test);
        trainer.Metrics.Stage = stage;
        try
        {
            if (isTest)
            {
                module.OnTestStart();
                ForEach("test", trainer.LimitTestBatches, module.TestStep);
                module.OnTestEnd();
            }
            else
            {
                module.OnValidationStart();
                ForEach("validation", trainer.LimitValBatches, module.ValidationStep);
                module.OnValidationEnd();
            }

            return trainer.Metrics.EndEpoch();
        }
        finally
        {
            trainer.Metrics.Stage = before;
        }
    }

    /// <summary>Collects the predictions.</summary>
    public IReadOnlyList<object?> Predict()
    {
        var predictions = new List<object?>();
        module.OnPredictStart();
        ForEach("prediction", trainer.LimitPredictBatches, (batch, index) =>
        {
            var prediction = module.PredictStep(batch, index);
            foreach (var tensor in TensorTree.Tensors(prediction))
            {
                tensor.DetachFromDisposeScope();
            }

            predictions.Add(prediction);
        });
        module.OnPredictEnd();
        return predictions;
    }

    private void ForEach(string what, int limit, Action<TBatch, int> step)
    {
        _source ??= new BatchSource<TBatch>(batches, what, limit);
        var wasTraining = module.training;
        module.eval();
        try
        {
            using var grad = no_grad();
            foreach (var (given, index) in _source.Read(epoch: null, first: 0))
            {
                using var scope = NewDisposeScope();
                var batch = trainer.Transfer(given);
                using (trainer.Precision.StepContext())
                {
                    step(batch, index);
                }
            }
        }
        finally
        {
            module.train(wasTraining);
        }
    }
}
