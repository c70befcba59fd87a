using NBit.Tensors;
using NBit.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>
/// The loop of validation, testing and prediction: no gradients, evaluation mode. Hooks run with the ordinary default dtype and
/// without autocast, steps in the precision. Nothing happens where the limit is no batch.
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
            if (isTest && trainer.LimitTestBatches > 0)
            {
                module.OnTestStart();
                ForEach("test", trainer.LimitTestBatches, step => module.TestStep(step.Batch, step.Index));
                module.OnTestEnd();
            }
            else if (!isTest && trainer.LimitValBatches > 0)
            {
                module.OnValidationStart();
                ForEach("validation", trainer.LimitValBatches, step => module.ValidationStep(step.Batch, step.Index));
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
        if (trainer.LimitPredictBatches == 0)
        {
            return predictions;
        }

        var own = ModuleTensors.Of(module);
        try
        {
            module.OnPredictStart();
            ForEach(
                "prediction",
                trainer.LimitPredictBatches,
                step => predictions.Add(Keep(module.PredictStep(step.Batch, step.Index), step, own)));
            module.OnPredictEnd();
            return predictions;
        }
        catch
        {
            TensorTree.Tensors(predictions).ForEach(tensor => tensor.Dispose());
            throw;
        }
    }

    // The caller may dispose what it gets: a tensor of the source or of the module itself is handed out under another
    // handle.
    private static object? Keep(object? prediction, Step step, HashSet<Tensor> own)
    {
        var given = TensorTree.Tensors(step.Given);
        var kept = TensorTree.Map(prediction, tensor =>
            own.Contains(tensor) || given.Exists(other => ReferenceEquals(other, tensor)) ? tensor.alias() : tensor);
        step.Scope.MoveToOuter(TensorTree.Tensors(kept));
        return kept;
    }

    private void ForEach(string what, int limit, Action<Step> run)
    {
        _source ??= new BatchSource<TBatch>(batches, what, limit);
        List<(nn.Module Module, bool Training)> modes =
            [.. module.modules().Prepend(module).Select(inner => (inner, inner.training))];
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
                    run(new Step(given, batch, index, scope));
                }
            }
        }
        finally
        {
            // One by one, the outer ones first: a layer that was frozen by eval() stays so.
            foreach (var (inner, training) in modes.Where(mode => mode.Module.training != mode.Training))
            {
                inner.train(training);
            }
        }
    }

    private readonly record struct Step(TBatch Given, TBatch Batch, int Index, DisposeScope Scope);
}
