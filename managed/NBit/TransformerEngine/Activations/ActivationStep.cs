using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>An activation as Transformer Engine computes it: in float32, rounded once.</summary>
internal static class ActivationStep
{
    /// <summary>An activation in the autograd graph.</summary>
    /// <param name="activation">Which one.</param>
    /// <param name="input">[..., features], or twice the features for a gated one; of the intermediate dtype, with
    /// elements of that of activations.</param>
    /// <param name="precision">In what the module computes.</param>
    /// <returns>[..., features] of the intermediate dtype; and float32 [1], the amax before the rounding, where casts
    /// take it.</returns>
    public static (Tensor Output, Tensor? Amax) Forward(Activation activation, Tensor input, ModulePrecision precision)
    {
        using var scope = NewDisposeScope();
        var source = input.detach();
        var wide = activation.Value(source.to(ScalarType.Float32));
        var amax = precision.UsesAmax ? ScaledCasts.Amax(wide).MoveToOuterDisposeScope() : null;
        var output = wide.to(precision.Intermediate);
        if (!is_grad_enabled() || !input.requires_grad)
        {
            return (output.MoveToOuterDisposeScope(), amax);
        }

        var kept = source.to(precision.Activation, copy: true).DetachFromDisposeScope();
        return (ModuleGradient.Attach(output, [input], Backward, kept).MoveToOuterDisposeScope(), amax);

        Tensor?[] Backward(Tensor gradient)
        {
            var dx = activation.Gradient(gradient.to(ScalarType.Float32), kept.to(ScalarType.Float32));
            return [dx.to(precision.Intermediate)];
        }
    }
}
