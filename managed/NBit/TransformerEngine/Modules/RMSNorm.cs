using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>Divides by the root of the mean square of the last dimension, then scales (arXiv:1910.07467; Transformer
/// Engine's <c>RMSNorm</c>).</summary>
/// <remarks>Statistics and sums are float32; results are rounded to the input's dtype once.</remarks>
public sealed class RMSNorm : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates a layer that does not scale yet.</summary>
    /// <param name="hiddenSize">The size of the last dimension, 1 or more.</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="zeroCenteredGamma">Whether inputs are scaled by 1 + weight, and the weight begins as 0.</param>
    /// <param name="dtype">The dtype of the weight; null for the default dtype.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1.</exception>
    public RMSNorm(long hiddenSize, double eps = 1e-5, bool zeroCenteredGamma = false, ScalarType? dtype = null)
        : base(nameof(RMSNorm))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        (Eps, ZeroCenteredGamma) = (eps, zeroCenteredGamma);
        weight = ModuleParameters.Create(
            [hiddenSize],
            dtype,
            made => nn.init.constant_(made, zeroCenteredGamma ? 0 : 1)
        );
    }

    /// <summary>The scale [size].</summary>
    [field: ComponentName(Name = nameof(weight))]
    public Parameter weight
    {
        get;
        private set // by Module.to(), through reflection
        {
            field = ModuleParameters.Succeed(field, value);
            ConditionallyRegisterParameter(nameof(weight), field);
        }
    }

    /// <summary>What is added to the mean square.</summary>
    public double Eps { get; }

    /// <summary>Whether inputs are scaled by 1 + weight.</summary>
    public bool ZeroCenteredGamma { get; }

    /// <summary>The layer.</summary>
    /// <param name="input">[..., size].</param>
    /// <returns>[..., size], of the input's dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Normalization.Forward(new(NormalizationKind.RMSNorm, Eps, ZeroCenteredGamma), input, weight, bias: null);
    }
}
