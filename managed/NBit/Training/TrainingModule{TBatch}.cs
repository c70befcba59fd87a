using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>A model that knows how it is trained on batches of a type (LightningModule).</summary>
/// <typeparam name="TBatch">A tensor, or a tuple, array, list, dictionary or record of tensors.</typeparam>
public abstract class TrainingModule<TBatch> : TrainingModule
{
    /// <summary>Creates the module.</summary>
    /// <param name="name">Its name.</param>
    protected TrainingModule(string name)
        : base(name) { }

    /// <summary>
    /// Computes the loss of a batch. Tensors that are made in a step are released after it; to keep one, detach it from
    /// its dispose scope.
    /// </summary>
    /// <param name="batch">The batch, in the precision's dtype and on the device.</param>
    /// <param name="batchIndex">Its number in the epoch.</param>
    /// <returns>The loss (one number); null to skip the batch, and always in manual optimization.</returns>
    public abstract Tensor? TrainingStep(TBatch batch, int batchIndex);

    /// <summary>Looks at a batch of validation data, without gradients; log what matters.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    public virtual void ValidationStep(TBatch batch, int batchIndex) => throw Missing(nameof(ValidationStep));

    /// <summary>Looks at a batch of test data, without gradients; log what matters.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    public virtual void TestStep(TBatch batch, int batchIndex) => throw Missing(nameof(TestStep));

    /// <summary>Computes the prediction for a batch, without gradients.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    /// <returns>The prediction: a tensor, or nested containers with tensors.</returns>
    public virtual object? PredictStep(TBatch batch, int batchIndex) => throw Missing(nameof(PredictStep));

    /// <summary>Called before each training batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number in the epoch.</param>
    public virtual void OnTrainBatchStart(TBatch batch, int batchIndex) { }

    /// <summary>Called after each training batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number in the epoch.</param>
    public virtual void OnTrainBatchEnd(TBatch batch, int batchIndex) { }

    /// <summary>Called before each validation batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    public virtual void OnValidationBatchStart(TBatch batch, int batchIndex) { }

    /// <summary>Called after each validation batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    public virtual void OnValidationBatchEnd(TBatch batch, int batchIndex) { }

    /// <summary>Called before each test batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    public virtual void OnTestBatchStart(TBatch batch, int batchIndex) { }

    /// <summary>Called after each test batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    public virtual void OnTestBatchEnd(TBatch batch, int batchIndex) { }

    /// <summary>Called before each prediction batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    public virtual void OnPredictBatchStart(TBatch batch, int batchIndex) { }

    /// <summary>Called after each prediction batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="batchIndex">Its number.</param>
    public virtual void OnPredictBatchEnd(TBatch batch, int batchIndex) { }

    private NotSupportedException Missing(string hook) =>
        new($"{GetType().Name} does not override {hook}, which this call of the trainer needs");
}
