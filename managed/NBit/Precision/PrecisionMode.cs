using static TorchSharp.torch;

namespace NBit.Precision;

/// <summary>
/// What a numerical precision does around a training step. The base class does nothing: a mode overrides what it needs.
/// <c>Fabric</c> and <c>Trainer</c> call these hooks; a mode given to them as <c>plugin</c> may be of any class.
/// </summary>
/// <remarks>
/// The hooks are those of Lightning's precision plugins. Where its Trainer and its Fabric differ, there are two hooks:
/// <see cref="ConvertInput{T}" />, <see cref="ForwardContext" /> and <see cref="ConvertOutput{T}" /> surround a
/// module's forward in Fabric; <see cref="ConvertBatch{T}" /> and <see cref="StepContext" /> surround a whole step in
/// the Trainer.
/// </remarks>
public abstract class PrecisionMode
{
    /// <summary>The mode as one string, e.g. <c>"bf16-mixed"</c>.</summary>
    public abstract string Name { get; }

    /// <summary>
    /// Whether the backward pass must go through this mode, so that calling it on the loss directly is an error.
    /// </summary>
    public virtual bool RequiresBackward => false;

    /// <summary>
    /// Converts a model's parameters and buffers in place, before it is moved to its device. The objects stay the same.
    /// </summary>
    /// <param name="model">The model; as it was if this throws.</param>
    public virtual void ConvertModule(nn.Module model) { }

    /// <summary>Begins a scope in which new tensors get this mode's dtype.</summary>
    /// <returns>Ends the scope.</returns>
    public virtual IDisposable TensorInitContext() => NoContext.Instance;

    /// <summary>Begins a scope in which new modules are made as this mode needs them.</summary>
    /// <returns>Ends the scope.</returns>
    public virtual IDisposable ModuleInitContext() => TensorInitContext();

    /// <summary>Begins the scope of a module's forward (Fabric).</summary>
    /// <returns>Ends the scope.</returns>
    public virtual IDisposable ForwardContext() => TensorInitContext();

    /// <summary>Begins the scope of a training, validation, test or prediction step (Trainer).</summary>
    /// <returns>Ends the scope.</returns>
    public virtual IDisposable StepContext() => ForwardContext();

    /// <summary>Casts the floating-point tensors among a forward's arguments (Fabric).</summary>
    /// <typeparam name="T">A tensor, or nested tuples, lists, dictionaries and records with tensors.</typeparam>
    /// <param name="data">The arguments; not changed.</param>
    /// <returns>The same structure; integer, bool and complex tensors and everything else as they were.</returns>
    public virtual T ConvertInput<T>(T data) => data;

    /// <summary>Casts the floating-point tensors of a batch (Trainer).</summary>
    /// <typeparam name="T">A tensor, or nested tuples, lists, dictionaries and records with tensors.</typeparam>
    /// <param name="batch">The batch; not changed.</param>
    /// <returns>The same structure.</returns>
    public virtual T ConvertBatch<T>(T batch) => ConvertInput(batch);

    /// <summary>Casts the floating-point tensors that a forward gave to the default dtype (Fabric).</summary>
    /// <typeparam name="T">A tensor, or nested tuples, lists, dictionaries and records with tensors.</typeparam>
    /// <param name="data">The outputs; not changed.</param>
    /// <returns>The same structure.</returns>
    public virtual T ConvertOutput<T>(T data) => data;

    /// <summary>What the backward pass starts from.</summary>
    /// <param name="loss">The loss of a step.</param>
    /// <returns>The loss, or the scaled loss.</returns>
    public virtual Tensor PreBackward(Tensor loss) => loss;

    /// <summary>Steps an optimizer.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="closure">Computes the loss and its gradients and returns the loss, or null where there was none;
    /// null if that was done before.</param>
    /// <param name="beforeStep">Called when the gradients are there, unscaled, before the parameters change.</param>
    /// <param name="keepsUnscaling">
    /// Whether a closure that returns no loss still has its gradients unscaled and stepped (manual optimization).
    /// </param>
    /// <returns>What the optimizer's step returned.</returns>
    public virtual Tensor? OptimizerStep(
        optim.Optimizer optimizer,
        Func<Tensor?>? closure = null,
        Action? beforeStep = null,
        bool keepsUnscaling = false
    )
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (closure is null)
        {
            beforeStep?.Invoke();
            return optimizer.step();
        }

        return optimizer.step(() =>
        {
            var loss = closure();
            beforeStep?.Invoke();
            return loss!; // TorchSharp's optimizers hand a missing loss on as it is
        });
    }

    /// <summary>
    /// Divides the gradients by the loss scale, where there is one, so that they can be looked at or clipped.
    /// </summary>
    /// <param name="optimizer">The optimizer of the parameters.</param>
    public virtual void UnscaleGradients(optim.Optimizer optimizer) { }

    /// <summary>Refuses, before the first step, what this mode cannot train with.</summary>
    /// <param name="optimizer">The optimizer, with its final parameters.</param>
    /// <param name="clipsGradients">Whether gradients will be clipped.</param>
    public virtual void CheckOptimizer(optim.Optimizer optimizer, bool clipsGradients) { }

    /// <summary>What a checkpoint has to keep of this mode; empty for most.</summary>
    /// <returns>Names and numbers.</returns>
    public virtual IReadOnlyDictionary<string, double> StateDict() =>
        new Dictionary<string, double>(StringComparer.Ordinal);

    /// <summary>Restores what <see cref="StateDict" /> gave.</summary>
    /// <param name="state">Names and numbers.</param>
    public virtual void LoadStateDict(IReadOnlyDictionary<string, double> state) { }
}
