using NBit.Tensors;
using NBit.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>
/// The loop of validation, testing and prediction: no gradients, evaluation mode. Hooks run with the ordinary default
/// dtype and without autocast, steps in the precision. Nothing happens where the limit is no batch.
/// </summary>
internal sealed class EvaluationLoop<TBatch>(
    Trainer trainer,
    TrainingModule<TBatch> module,
    IEnumerable<TBatch> batches
)
{
    private BatchSource<TBatch>? _source;

    /// <summary>Runs the steps of the stage that the trainer is in.</summary>
    /// <returns>The means of the metrics that were logged.</returns>
    public IReadOnlyDictionary<string, double> Run() => Run(trainer.Stage);

    /// <summary>Runs the steps of a stage.</summary>
    /// <returns>The means of the metrics that were logged.</returns>
    public IReadOnlyDictionary<string, double> Run(Stage stage)
    {
        var before = trainer.Stage;
        trainer.Metrics.Stage = stage;
        try
        {
            ForEach(
                stage,
                step =>
                {
                    if (stage == Stage.Test)
                    {
                        module.TestStep(step.Batch, step.Index);
                    }
                    else
                    {
                        module.ValidationStep(step.Batch, step.Index);
                    }
                }
            );
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
        var own = ModuleTensors.Of(module);
        try
        {
            ForEach(
                Stage.Prediction,
                step => predictions.Add(Keep(module.PredictStep(step.Batch, step.Index), step, own))
            );
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
        var kept = TensorTree.Map(
            prediction,
            tensor =>
                own.Contains(tensor) || given.Exists(other => ReferenceEquals(other, tensor)) ? tensor.alias() : tensor
        );
        step.Scope.MoveToOuter(TensorTree.Tensors(kept));
        return kept;
    }

    private void ForEach(Stage stage, Action<Step> run)
    {
        var hooks = EvaluationHooks<TBatch>.Of(stage, trainer, module);
        if (hooks.Limit == 0)
        {
            return;
        }

        hooks.Start();
        RunEpoch(hooks, run);
        hooks.End();
    }

    private void RunEpoch(EvaluationHooks<TBatch> hooks, Action<Step> run)
    {
        _source ??= new BatchSource<TBatch>(batches, hooks.Data, hooks.Limit);
        List<(nn.Module Module, bool Training)> modes =
        [
            .. module.modules().Prepend(module).Select(inner => (inner, inner.training)),
        ];
        module.eval();
        try
        {
            using var grad = no_grad();
            hooks.EpochStart();
            foreach (var (given, index) in _source.Read(epoch: null, first: 0))
            {
                RunBatch(given, index, hooks, run);
            }

            hooks.EpochEnd();
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

    private void RunBatch(TBatch given, int index, EvaluationHooks<TBatch> hooks, Action<Step> run)
    {
        using var scope = NewDisposeScope();
        var batch = trainer.Transfer(given);
        hooks.BatchStart(batch, index);
        using (trainer.Precision.StepContext())
        {
            run(new Step(given, batch, index, scope));
        }

        hooks.BatchEnd(batch, index);
    }

    private readonly record struct Step(TBatch Given, TBatch Batch, int Index, DisposeScope Scope);
}
