using static TorchSharp.torch;

namespace NBit.Amp;

/// <summary>
/// An optimizer that divides its gradients by the loss scale, and skips overflowed steps, inside its own (fused) step.
/// </summary>
/// <remarks>
/// <see cref="GradScaler.Step" /> sets both before it calls the step and clears them after. PyTorch:
/// _step_supports_amp_scaling.
/// </remarks>
public interface IGradScalingOptimizer
{
    /// <summary>What the gradients are to be divided by, one float32; null where they are unscaled already.</summary>
    Tensor? GradScale { get; set; }

    /// <summary>One float32, above 0 where a gradient is infinite or NaN: the step must then change nothing.</summary>
    Tensor? FoundInf { get; set; }

    /// <summary>
    /// Whether gradients may also be unscaled before the step, by <see cref="GradScaler.Unscale" />: they can then be
    /// clipped.
    /// </summary>
    bool TakesUnscaledGradients => false;
}
