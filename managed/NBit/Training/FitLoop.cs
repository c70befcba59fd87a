using NBit.Logging;
using NBit.Tensors;
using NBit.Training.Data;
using static TorchSharp.torch;
using static TorchSharp.torch.optim.lr_scheduler.impl;

namespace NBit.Training;

/// <summary>The training loop.</summary>
internal sealed class FitLoop<TBatch>(
    Trainer trainer,
    TrainingModule<TBatch> module,
    IEnumerable<TBatch> trainBatches,
    IEnumerable<TBatch>? validationBatches,
    Interruption interruption
)
{
    private readonly BatchSource<TBatch> _source = new(trainBatches, "training", trainer.LimitTrainBatches);
    private readonly EvaluationLoop<TBatch>? _validation =
        validationBatches is null || trainer.LimitValBatches == 0
            ? null
            : new EvaluationLoop<TBatch>(trainer, module, validationBatches);
    private int _accumulated; // batches whose gradients wait for a step
    private bool _warnedOfLoss;

    private bool IsDone =>
        trainer.ShouldStop
        || trainer.LimitTrainBatches == 0
        || trainer.Progress.Epoch >= trainer.MaxEpochs
        || trainer.Progress.GlobalStep >= trainer.MaxSteps;

    private optim.Optimizer Optimizer => trainer.Optimizers[0].Optimizer;

    public void Run(string? resumeFrom)
    {
        using var anomaly = trainer.DetectAnomalies ? autograd.detect_anomaly(check_nan: true) : null;
        try
        {
            SetUp(resumeFrom);
            Fit();
        }
        finally
        {
            trainer.Optimizers.ToList().ForEach(configuration => configuration.Optimizer.Dispose());
        }
    }

    private void Fit()
    {
        try
        {
            module.OnFitStart();
            trainer.Notify(callback => callback.OnFitStart(trainer));
            module.train();
            module.OnTrainStart();
            while (!IsDone)
            {
                RunEpoch();
            }

            module.OnTrainEnd();
            module.OnFitEnd();
        }
        finally
        {
            trainer.Notify(callback => callback.OnFitEnd(trainer));
        }
    }

    private void SetUp(string? resumeFrom)
    {
        if (!module.AutomaticOptimization && trainer.GradientClipVal is > 0)
        {
            throw new InvalidOperationException(
                $"Automatic gradient clipping is not supported for manual optimization. Remove `Trainer(gradient_clip_val={trainer.GradientClipVal:0.0##})` "
                    + "or switch to automatic optimization."
            );
        }

        trainer.Prepare(module, checkpoint: null);
        trainer.BatchesPerEpoch = _source.Count;
        trainer.Validates = _validation is not null;
        trainer.Optimizers = module.ConfigureOptimizers();
        if (module.AutomaticOptimization && trainer.Optimizers.Count != 1)
        {
            throw new InvalidOperationException(
                $"{module.GetType().Name}.ConfigureOptimizers gave {trainer.Optimizers.Count} optimizers; automatic optimization has one. Give one, or "
                    + "override AutomaticOptimization to return false and step them in TrainingStep."
            );
        }

        if (
            module.AutomaticOptimization
            && trainer.Optimizers[0].Scheduler is { Monitor: null, Scheduler: ReduceLROnPlateau }
        )
        {
            throw new InvalidOperationException(
                $"{module.GetType().Name}.ConfigureOptimizers gave a {nameof(ReduceLROnPlateau)} scheduler without a "
                    + "Monitor: name the logged metric that it follows"
            );
        }

        foreach (var configuration in trainer.Optimizers)
        {
            trainer.Precision.CheckOptimizer(configuration.Optimizer, trainer.GradientClipVal is > 0);
        }

        trainer.ManualOptimizers =
        [
            .. trainer.Optimizers.Select(configuration => new ManualOptimizer(trainer, configuration.Optimizer)),
        ];
        if (resumeFrom is not null)
        {
            TrainingCheckpoint.Resume(trainer, module, resumeFrom);
        }
    }

    private void RunEpoch()
    {
        var progress = trainer.Progress;
        if (progress.Batch == 0)
        {
            module.OnTrainEpochStart();
        }

        var isWhole = true;
        foreach (var (batch, index) in _source.Read(progress.Epoch, progress.Batch))
        {
            var stepped = RunBatch(batch, index);
            ValidateWhen(trainer.ValCheckInterval is { } interval && progress.Batch % interval == 0);
            trainer.Notify(callback => callback.OnTrainBatchEnd(trainer, stepped));
            StopWhenInterrupted(stepped);
            if (IsDone)
            {
                isWhole = progress.Batch == _source.Count;
                break;
            }
        }

        StepWhatIsLeft();
        ValidateWhen(trainer.ValCheckInterval is null);
        module.OnTrainEpochEnd();
        EndEpoch(isWhole);
        StopWhenInterrupted(stepped: true);
    }

    private void EndEpoch(bool isWhole)
    {
        var progress = trainer.Progress;
        var means = trainer.Metrics.EndEpoch(isWhole);
        if (isWhole)
        {
            StepSchedulers(SchedulerInterval.Epoch, progress.Epoch + 1);
            (progress.Epoch, progress.Batch) = (progress.Epoch + 1, 0);
        }

        progress.IsBrokenOff = !isWhole;
        trainer.Notify(callback => callback.OnTrainEpochEnd(trainer, means));
    }

    // Returns whether the optimizer stepped.
    private bool RunBatch(TBatch given, int index)
    {
        using var scope = NewDisposeScope();
        trainer.Metrics.BeginStep();
        var batch = trainer.Transfer(given);
        module.OnTrainBatchStart(batch, index);
        var stepped = module.AutomaticOptimization ? RunAutomatic(batch, index) : RunManual(batch, index);
        if (stepped)
        {
            StepSchedulers(SchedulerInterval.Step, trainer.Progress.GlobalStep);
        }

        trainer.Progress.Batch = index + 1;
        module.OnTrainBatchEnd(batch, index);
        return stepped;
    }

    private bool RunAutomatic(TBatch batch, int index)
    {
        var isLast = index + 1 == _source.Count;
        _accumulated++;
        if (_accumulated < trainer.AccumulateGradBatches && !isLast)
        {
            ComputeGradients(batch, index);
            return false;
        }

        module.OptimizerStep(trainer.Progress.Epoch, index, Optimizer, () => ComputeGradients(batch, index));
        trainer.Progress.GlobalStep++;
        _accumulated = 0;
        return true;
    }

    private bool RunManual(TBatch batch, int index)
    {
        var before = trainer.Progress.GlobalStep;
        using (trainer.Precision.StepContext())
        {
            module.TrainingStep(batch, index);
        }

        return trainer.Progress.GlobalStep > before;
    }

    // The closure of the optimizer's step: the loss of a batch and its gradients, added to those that wait already.
    private Tensor? ComputeGradients(TBatch batch, int index)
    {
        Tensor? loss;
        using (trainer.Precision.StepContext())
        {
            loss = module.TrainingStep(batch, index);
        }

        if (loss is null)
        {
            Log.WarningOnce("`training_step` returned `None`. If this was on purpose, ignore this warning...");
        }
        else
        {
            CheckLoss(loss, index);
            loss = trainer.AccumulateGradBatches > 1 ? loss / trainer.AccumulateGradBatches : loss;
        }

        if (_accumulated <= 1)
        {
            module.OnBeforeZeroGrad(Optimizer);
            module.OptimizerZeroGrad(Optimizer);
        }

        if (loss is not null)
        {
            trainer.Backward(loss);
        }

        return loss;
    }

    private void CheckLoss(Tensor loss, int index)
    {
        // Reading a number from a GPU would make it wait at each step.
        if (loss.device_type != TorchSharp.DeviceType.CPU && !trainer.DetectAnomalies)
        {
            return;
        }

        var value = loss.ToDouble();
        if (double.IsFinite(value))
        {
            return;
        }

        var message =
            $"the loss is {value} at batch {index} of epoch {trainer.Progress.Epoch} (step {trainer.Progress.GlobalStep}, precision {trainer.Precision.Name}).";
        if (trainer.DetectAnomalies)
        {
            throw new NonFiniteLossException(
                $"{message} Look at the batch and at the learning rate; in 16-true, at the optimizer's epsilon."
            );
        }

        if (!_warnedOfLoss)
        {
            _warnedOfLoss = true;
            Log.Warning($"{message} Further ones are not reported; pass detectAnomalies: true to stop at the first.");
        }
    }

    // A source of unknown length can end inside an accumulation: the gradients that are there still count.
    private void StepWhatIsLeft()
    {
        if (_accumulated == 0)
        {
            return;
        }

        _accumulated = 0;
        using var scope = NewDisposeScope();
        module.OptimizerStep(trainer.Progress.Epoch, trainer.Progress.Batch - 1, Optimizer, () => tensor(0f));
        trainer.Progress.GlobalStep++;
        StepSchedulers(SchedulerInterval.Step, trainer.Progress.GlobalStep);
        trainer.Notify(callback => callback.OnTrainBatchEnd(trainer, steppedOptimizer: true));
    }

    private void StepSchedulers(SchedulerInterval interval, long count)
    {
        if (!module.AutomaticOptimization)
        {
            return;
        }

        foreach (
            var scheduler in trainer
                .Optimizers.Select(configuration => configuration.Scheduler)
                .OfType<SchedulerConfiguration>()
        )
        {
            if (scheduler.Interval == interval && count % scheduler.Frequency == 0)
            {
                module.LrSchedulerStep(
                    scheduler.Scheduler,
                    scheduler.Monitor is null ? null : Metric(scheduler.Monitor)
                );
            }
        }
    }

    private double Metric(string monitor) =>
        trainer.LoggedMetrics.TryGetValue(monitor, out var value)
            ? value
            : throw new InvalidOperationException(
                $"a learning-rate scheduler monitors '{monitor}', which was not logged; logged are: {string.Join(", ", trainer.LoggedMetrics.Keys.Order(StringComparer.Ordinal))}"
            );

    private void ValidateWhen(bool due)
    {
        if (due && _validation is not null && (trainer.Progress.Epoch + 1) % trainer.CheckValEveryNEpoch == 0)
        {
            var metrics = _validation.Run(Stage.Validation);
            trainer.Notify(callback => callback.OnValidationEnd(trainer, metrics));
        }
    }

    private void StopWhenInterrupted(bool stepped)
    {
        if (interruption.IsRequested && stepped)
        {
            trainer.Notify(callback => (callback as Callbacks.ModelCheckpoint)?.SaveLast(trainer));
            interruption.End(() => trainer.Notify(callback => callback.OnFitEnd(trainer)));
        }
    }
}
