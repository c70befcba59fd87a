using NBit.Amp;
using NBit.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Precision;

/// <summary>
/// "16-mixed" and "bf16-mixed": float32 weights, with products in float16 or bfloat16 by autocast; in float16 the loss
/// is scaled.
/// </summary>
/// <remarks>
/// On the CPU the string "16-mixed" means bf16-mixed, with a warning, as in Lightning. Given as a plugin,
/// <c>new MixedPrecision("16-mixed", DeviceType.CPU)</c> runs real float16 autocast with the scaler there too.
/// </remarks>
public sealed class MixedPrecision : PrecisionMode, IDisposable
{
    /// <summary>Creates the mode.</summary>
    /// <param name="precision">"16-mixed" or "bf16-mixed".</param>
    /// <param name="device">The device that autocast works on.</param>
    /// <param name="scaler">For "16-mixed" only: the scaler, instead of one with the default settings. The mode
    /// disposes it.</param>
    /// <exception cref="ArgumentException">The precision is another one, or a scaler was given for
    /// bf16-mixed.</exception>
    public MixedPrecision(string precision, DeviceType device, GradScaler? scaler = null)
    {
        if (precision is not ("16-mixed" or "bf16-mixed"))
        {
            throw new ArgumentException(
                $"Passed `MixedPrecision(precision={PrecisionInput.Describe(precision)})`. Precision must be '16-mixed' or 'bf16-mixed'.",
                nameof(precision)
            );
        }

        if (precision == "bf16-mixed" && scaler is not null)
        {
            throw new ArgumentException(
                $"`precision='bf16-mixed'` does not use a scaler, found {scaler.GetType()}.",
                nameof(scaler)
            );
        }

        Name = precision;
        Device = device;
        DataType = precision == "16-mixed" ? ScalarType.Float16 : ScalarType.BFloat16;
        Scaler = precision == "16-mixed" ? scaler ?? new GradScaler(device) : null;
    }

    /// <inheritdoc />
    public override string Name { get; }

    /// <summary>The device that autocast works on.</summary>
    public DeviceType Device { get; }

    /// <summary>What products are computed in: float16 or bfloat16.</summary>
    public ScalarType DataType { get; }

    /// <summary>The scaler of "16-mixed"; null for "bf16-mixed".</summary>
    public GradScaler? Scaler { get; }

    /// <inheritdoc />
    public override bool RequiresBackward => true;

    /// <inheritdoc />
    public override IDisposable ForwardContext() => new Autocast(Device, DataType);

    /// <inheritdoc />
    /// <remarks>
    /// Without the cache of weight casts, as Lightning's Trainer does it: a weight is seen as it is at each use.
    /// </remarks>
    public override IDisposable StepContext() => new Autocast(Device, DataType, cacheEnabled: false);

    /// <inheritdoc />
    public override T ConvertInput<T>(T data) => TensorCasts.CastFloating(data, DataType);

    /// <inheritdoc />
    public override T ConvertBatch<T>(T batch) => batch;

    /// <inheritdoc />
    public override T ConvertOutput<T>(T data) => TensorCasts.CastFloating(data, get_default_dtype());

    /// <inheritdoc />
    public override Tensor PreBackward(Tensor loss) => Scaler?.Scale(loss) ?? loss;

    /// <inheritdoc />
    public override Tensor? OptimizerStep(
        optim.Optimizer optimizer,
        Func<Tensor?>? closure = null,
        Action? beforeStep = null,
        bool keepsUnscaling = false
    )
    {
        if (Scaler is null)
        {
            return base.OptimizerStep(optimizer, closure, beforeStep, keepsUnscaling);
        }

        CheckClosure(optimizer);
        var loss = closure?.Invoke();
        var steps = closure is null || loss is not null || keepsUnscaling;
        if (steps && beforeStep is not null && !UnscalesAlone(optimizer))
        {
            Scaler.Unscale(optimizer);
        }

        beforeStep?.Invoke();
        if (!steps)
        {
            return loss;
        }

        var output = Scaler.Step(optimizer);
        Scaler.Update();
        return output;
    }

    /// <inheritdoc />
    public override void UnscaleGradients(optim.Optimizer optimizer)
    {
        if (Scaler is null)
        {
            return;
        }

        if (UnscalesAlone(optimizer))
        {
            throw new NotSupportedException(
                "Gradient clipping is not implemented for optimizers handling the unscaling."
            );
        }

        Scaler.Unscale(optimizer);
    }

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">
    /// LBFGS with a scaler, or gradients to be clipped of an optimizer that unscales them by itself.
    /// </exception>
    public override void CheckOptimizer(optim.Optimizer optimizer, bool clipsGradients)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (Scaler is not null)
        {
            CheckClosure(optimizer);
        }

        if (clipsGradients && UnscalesAlone(optimizer))
        {
            throw new NotSupportedException(
                $"The current optimizer, {optimizer.GetType().Name}, does not allow for gradient clipping because it performs unscaling of "
                    + "gradients internally. HINT: Are you using a 'fused' optimizer?"
            );
        }
    }

    /// <inheritdoc />
    public override IReadOnlyDictionary<string, double> StateDict() => Scaler?.StateDict() ?? base.StateDict();

    /// <inheritdoc />
    public override void LoadStateDict(IReadOnlyDictionary<string, double> state) => Scaler?.LoadStateDict(state);

    /// <summary>Releases the scaler's tensors.</summary>
    public void Dispose() => Scaler?.Dispose();

    private static bool UnscalesAlone(optim.Optimizer optimizer) =>
        optimizer is IGradScalingOptimizer { TakesUnscaledGradients: false };

    private static void CheckClosure(optim.Optimizer optimizer)
    {
        if (optimizer is TorchSharp.Modules.LBFGS)
        {
            throw new NotSupportedException("AMP and the LBFGS optimizer are not compatible.");
        }
    }
}
