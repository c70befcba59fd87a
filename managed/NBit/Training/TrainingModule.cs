using NBit.Tensors;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>
/// A model that knows how it is trained (LightningModule): what does not depend on the type of its batches.
/// </summary>
/// <remarks>
/// All hooks but <see cref="ConfigureOptimizers" /> do nothing or the usual thing unless they are overridden.
/// </remarks>
public abstract partial class TrainingModule : nn.Module
{
    private Trainer? _trainer;

    /// <summary>Creates the module.</summary>
    /// <param name="name">Its name.</param>
    protected TrainingModule(string name)
        : base(name) { }

    /// <summary>
    /// True (the usual case): the trainer runs the backward pass, clips and steps. False: <c>TrainingStep</c> does so
    /// itself, by <see cref="Optimizers" /> and <see cref="ManualBackward" />.
    /// </summary>
    public virtual bool AutomaticOptimization => true;

    /// <summary>The trainer that runs this module.</summary>
    /// <exception cref="InvalidOperationException">No trainer runs it.</exception>
    public Trainer Trainer
    {
        get =>
            _trainer
            ?? throw new InvalidOperationException(
                $"{GetType().Name} is not attached to a Trainer: its Trainer can be used inside hooks and steps only"
            );
        internal set => _trainer = value;
    }

    /// <summary>The number of the current epoch, from 0.</summary>
    public int CurrentEpoch => Trainer.CurrentEpoch;

    /// <summary>How many optimizer steps were made, skipped ones included.</summary>
    public long GlobalStep => Trainer.GlobalStep;

    /// <summary>
    /// Makes the optimizers, when the parameters have their final dtype and device. One for automatic optimization.
    /// </summary>
    /// <returns>The optimizers with their schedulers, e.g. <c>[optim.AdamW(parameters(), 1e-3)]</c>.</returns>
    public abstract IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers();

    /// <summary>
    /// Makes large layers directly in the trainer's precision. May run again for another call of the trainer: guard
    /// against that.
    /// </summary>
    public virtual void ConfigureModel() { }

    /// <summary>Clips the gradients, unscaled. Not called in manual optimization.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="gradientClipVal">The trainer's limit.</param>
    /// <param name="gradientClipAlgorithm">The trainer's algorithm, or null for the usual one.</param>
    public virtual void ConfigureGradientClipping(
        optim.Optimizer optimizer,
        double? gradientClipVal,
        GradientClipAlgorithm? gradientClipAlgorithm
    ) => ClipGradients(optimizer, gradientClipVal, gradientClipAlgorithm);

    /// <summary>Makes one optimizer step of automatic optimization.</summary>
    /// <param name="epoch">The epoch.</param>
    /// <param name="batchIndex">The batch in the epoch.</param>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="closure">Runs the training step and the backward pass; returns the loss, or null if there was
    /// none.</param>
    public virtual void OptimizerStep(int epoch, int batchIndex, optim.Optimizer optimizer, Func<Tensor?> closure) =>
        Trainer.StepOptimizer(optimizer, closure);

    /// <summary>Clears the gradients of an optimizer's parameters: sets them to null, as PyTorch does.</summary>
    /// <param name="optimizer">The optimizer.</param>
    public virtual void OptimizerZeroGrad(optim.Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        foreach (var parameter in optimizer.parameters())
        {
            parameter.grad = null;
        }
    }

    /// <summary>Steps a learning-rate scheduler.</summary>
    /// <param name="scheduler">The scheduler.</param>
    /// <param name="metric">The monitored metric, or null.</param>
    public virtual void LrSchedulerStep(optim.lr_scheduler.LRScheduler scheduler, double? metric)
    {
        ArgumentNullException.ThrowIfNull(scheduler);
        if (metric is { } value)
        {
            scheduler.step(value);
        }
        else
        {
            scheduler.step();
        }
    }

    /// <summary>
    /// Clips the gradients of an optimizer's parameters in place; does nothing for no limit or one of 0 or less.
    /// </summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="gradientClipVal">The limit.</param>
    /// <param name="gradientClipAlgorithm">Norm unless another is given.</param>
    public void ClipGradients(
        optim.Optimizer optimizer,
        double? gradientClipVal,
        GradientClipAlgorithm? gradientClipAlgorithm = null
    )
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (gradientClipVal is not > 0)
        {
            return;
        }

        if (gradientClipAlgorithm == GradientClipAlgorithm.Value)
        {
            GradientClipping.ByValue(optimizer.parameters(), gradientClipVal.Value);
        }
        else
        {
            GradientClipping.ByNorm(optimizer.parameters(), gradientClipVal.Value);
        }
    }

    /// <summary>
    /// The optimizers, for manual optimization. Their <c>step()</c> unscales, calls
    /// <see cref="OnBeforeOptimizerStep" /> and steps.
    /// </summary>
    /// <returns>In the order of <see cref="ConfigureOptimizers" />.</returns>
    protected IReadOnlyList<optim.Optimizer> Optimizers() => Trainer.ManualOptimizers;

    /// <summary>The backward pass, for manual optimization: scales the loss where the precision needs it.</summary>
    /// <param name="loss">The loss.</param>
    protected void ManualBackward(Tensor loss) => Trainer.Backward(loss);

    /// <summary>Notes a metric under a name.</summary>
    /// <param name="name">The name; monitors use it.</param>
    /// <param name="value">The value.</param>
    /// <param name="onStep">Whether each value counts by itself; by default in training steps only.</param>
    /// <param name="onEpoch">Whether the mean over the epoch counts; by default everywhere else.</param>
    /// <param name="progressBar">Whether the progress bar shows it.</param>
    /// <param name="batchSize">The weight of the value in the mean.</param>
    /// <remarks>With both, the names get the suffixes _step and _epoch, as in Lightning.</remarks>
    protected void Log(
        string name,
        double value,
        bool? onStep = null,
        bool? onEpoch = null,
        bool progressBar = false,
        double batchSize = 1
    ) => Trainer.Metrics.Log(name, value, onStep, onEpoch, progressBar, batchSize);

    /// <summary>Notes a metric under a name; waits for the tensor's device.</summary>
    /// <param name="name">The name; monitors use it.</param>
    /// <param name="value">One number, of any dtype.</param>
    /// <param name="onStep">Whether each value counts by itself; by default in training steps only.</param>
    /// <param name="onEpoch">Whether the mean over the epoch counts; by default everywhere else.</param>
    /// <param name="progressBar">Whether the progress bar shows it.</param>
    /// <param name="batchSize">The weight of the value in the mean.</param>
    protected void Log(
        string name,
        Tensor value,
        bool? onStep = null,
        bool? onEpoch = null,
        bool progressBar = false,
        double batchSize = 1
    )
    {
        ArgumentNullException.ThrowIfNull(value);
        Log(name, value.ToDouble(), onStep, onEpoch, progressBar, batchSize);
    }

    /// <summary>Ends the module's time with a trainer.</summary>
    internal void Detach() => _trainer = null;
}
