using System.Text.Json.Nodes;

namespace NBit.Training.Callbacks;

/// <summary>
/// Something that watches a training run: early stopping, checkpoints, progress. All hooks do nothing unless
/// overridden.
/// </summary>
public abstract class Callback
{
    /// <summary>The name under which a checkpoint keeps this callback's state.</summary>
    public virtual string StateKey => GetType().Name;

    /// <summary>
    /// Called when fitting begins; the model is set up, and a checkpoint that is resumed from is loaded.
    /// </summary>
    /// <param name="trainer">The trainer.</param>
    public virtual void OnFitStart(Trainer trainer) { }

    /// <summary>
    /// Called after each training batch, and once more where an epoch ends inside an accumulation: with the step of its
    /// last batches.
    /// </summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="steppedOptimizer">Whether an optimizer stepped: only then is a checkpoint complete.</param>
    public virtual void OnTrainBatchEnd(Trainer trainer, bool steppedOptimizer) { }

    /// <summary>Called when the metrics of a validation are there.</summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="metrics">The means of what was logged.</param>
    public virtual void OnValidationEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics) { }

    /// <summary>
    /// Called when an epoch is over, with its validation and its scheduler steps; the trainer counts the next one.
    /// </summary>
    /// <param name="trainer">The trainer.</param>
    /// <param name="metrics">The means of what was logged in training.</param>
    public virtual void OnTrainEpochEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics) { }

    /// <summary>Called when fitting ends, also by an exception.</summary>
    /// <param name="trainer">The trainer.</param>
    public virtual void OnFitEnd(Trainer trainer) { }

    /// <summary>What a checkpoint keeps of this callback; null for nothing.</summary>
    /// <returns>Its state as JSON.</returns>
    public virtual JsonNode? SaveState() => null;

    /// <summary>Restores what <see cref="SaveState" /> gave.</summary>
    /// <param name="state">The state.</param>
    public virtual void LoadState(JsonNode state) { }
}
