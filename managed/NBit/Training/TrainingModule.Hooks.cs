using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace NBit.Training;

/// <content>The hooks that do nothing unless they are overridden; all have the names of LightningModule's.</content>
public abstract partial class TrainingModule
{
    /// <summary>Called when a call of the trainer begins, before <see cref="ConfigureModel" />.</summary>
    /// <param name="stage">What the trainer is going to do.</param>
    public virtual void Setup(Stage stage) { }

    /// <summary>Called when a call of the trainer ends, also where it failed.</summary>
    /// <param name="stage">What the trainer did.</param>
    public virtual void Teardown(Stage stage) { }

    /// <summary>Called when fitting begins, before anything else.</summary>
    public virtual void OnFitStart() { }

    /// <summary>Called when fitting ends.</summary>
    public virtual void OnFitEnd() { }

    /// <summary>Called before the first epoch.</summary>
    public virtual void OnTrainStart() { }

    /// <summary>Called after the last epoch.</summary>
    public virtual void OnTrainEnd() { }

    /// <summary>Called before each epoch.</summary>
    public virtual void OnTrainEpochStart() { }

    /// <summary>Called after each epoch, before its metrics are written.</summary>
    public virtual void OnTrainEpochEnd() { }

    /// <summary>Called when validation begins.</summary>
    public virtual void OnValidationStart() { }

    /// <summary>Called when validation ends, before its metrics are written.</summary>
    public virtual void OnValidationEnd() { }

    /// <summary>Called before the batches, after <see cref="OnValidationStart" />.</summary>
    public virtual void OnValidationEpochStart() { }

    /// <summary>Called after the batches, before <see cref="OnValidationEnd" />.</summary>
    public virtual void OnValidationEpochEnd() { }

    /// <summary>Called when testing begins.</summary>
    public virtual void OnTestStart() { }

    /// <summary>Called when testing ends, before its metrics are written.</summary>
    public virtual void OnTestEnd() { }

    /// <summary>Called before the batches, after <see cref="OnTestStart" />.</summary>
    public virtual void OnTestEpochStart() { }

    /// <summary>Called after the batches, before <see cref="OnTestEnd" />.</summary>
    public virtual void OnTestEpochEnd() { }

    /// <summary>Called when prediction begins.</summary>
    public virtual void OnPredictStart() { }

    /// <summary>Called when prediction ends.</summary>
    public virtual void OnPredictEnd() { }

    /// <summary>Called before the batches, after <see cref="OnPredictStart" />.</summary>
    public virtual void OnPredictEpochStart() { }

    /// <summary>Called after the batches, before <see cref="OnPredictEnd" />.</summary>
    public virtual void OnPredictEpochEnd() { }

    /// <summary>Called before the gradients are cleared.</summary>
    /// <param name="optimizer">The optimizer.</param>
    public virtual void OnBeforeZeroGrad(optim.Optimizer optimizer) { }

    /// <summary>Called before the backward pass.</summary>
    /// <param name="loss">What it starts from: the loss, scaled in 16-mixed and divided by the number of accumulated
    /// batches.</param>
    public virtual void OnBeforeBackward(Tensor loss) { }

    /// <summary>Called after the backward pass; gradients are scaled in 16-mixed.</summary>
    public virtual void OnAfterBackward() { }

    /// <summary>Called before an optimizer steps; gradients are unscaled, not yet clipped.</summary>
    /// <param name="optimizer">The optimizer.</param>
    public virtual void OnBeforeOptimizerStep(optim.Optimizer optimizer) { }

    /// <summary>Called when a checkpoint is written: what is added to the object is in the checkpoint.</summary>
    /// <param name="state">Empty; the module's own.</param>
    public virtual void OnSaveCheckpoint(JsonObject state) { }

    /// <summary>
    /// Called when a checkpoint is resumed, before weights and optimizers are restored: an exception leaves them as
    /// they are.
    /// </summary>
    /// <param name="state">What <see cref="OnSaveCheckpoint" /> added; empty where there is nothing.</param>
    public virtual void OnLoadCheckpoint(JsonObject state) { }
}
