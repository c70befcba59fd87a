using NBit.Amp;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>In what a module of several steps computes.</summary>
/// <param name="Activation">The dtype of its results and of its products.</param>
/// <param name="Intermediate">
/// The dtype between its steps: with delayed scaling float32, so that norms, activations and their gradients are cast
/// before they are rounded; else that of activations.
/// </param>
/// <param name="UsesAmax">Whether casts take the amax of a tensor in the moment, which fused activations find before
/// the rounding.</param>
internal sealed record ModulePrecision(ScalarType Activation, ScalarType Intermediate, bool UsesAmax)
{
    /// <summary>That of a forward pass.</summary>
    /// <param name="input">The module's input.</param>
    /// <param name="parameters">Its parameters with their names.</param>
    /// <exception cref="ArgumentException">Inside a region: a dtype cannot be multiplied in 8 bits, or dtypes or
    /// devices differ.</exception>
    public static ModulePrecision Of(Tensor input, params ReadOnlySpan<(string Name, Tensor? Tensor)> parameters)
    {
        if (Float8Region.Current is not { Enabled: true } region)
        {
            var plain = Autocast.Current(input.device_type) ?? input.dtype;
            return new(plain, plain, UsesAmax: false);
        }

        var dtype = Float8Operands.ActivationType(input, parameters);
        return new(
            dtype,
            region.Recipe.IsDelayed ? ScalarType.Float32 : dtype,
            UsesAmax: region.Recipe is Float8CurrentScaling
        );
    }
}
