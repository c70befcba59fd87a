using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>Subtracts the mean and divides by the standard deviation of the last dimension, then scales and shifts
/// (arXiv:1607.06450; Transformer Engine's <c>LayerNorm</c>).</summary>
/// <remarks>Statistics and sums are float32, of the biased variance; results are rounded to the input's dtype
/// once.</remarks>
public sealed class LayerNorm : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates a layer that does not scale or shift yet.</summary>
    /// <param name="hiddenSize">The size of the last dimension, 1 or more.</param>
    /// <param name="eps">Added to the variance.</param>
    /// <param name="zeroCenteredGamma">Whether inputs are scaled by 1 + weight, and the weight begins as 0.</param>
    /// <param name="dtype">The dtype of the parameters; null for the default dtype.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1.</exception>
    public LayerNorm(long hiddenSize, double eps = 1e-5, bool zeroCenteredGamma = false, ScalarType? dtype = null)
        : base(nameof(LayerNorm))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        (Eps, ZeroCenteredGamma) = (eps, zeroCenteredGamma);
        weight = ModuleParameters.Create(
            [hiddenSize],
            dtype,
            made => nn.init.constant_(made, zeroCenteredGamma ? 0 : 1)
        );
        bias = ModuleParameters.Create([hiddenSize], dtype, made => nn.init.zeros_(made));
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

    /// <summary>The shift [size].</summary>
    [field: ComponentName(Name = nameof(bias))]
    public Parameter bias
    {
        get;
        private set // by Module.to(), through reflection
        {
            field = ModuleParameters.Succeed(field, value);
            ConditionallyRegisterParameter(nameof(bias), field);
        }
    }

    /// <summary>What is added to the variance.</summary>
    public double Eps { get; }

    /// <summary>Whether inputs are scaled by 1 + weight.</summary>
    public bool ZeroCenteredGamma { get; }

    /// <summary>The layer.</summary>
    /// <param name="input">[..., size].</param>
    /// <returns>[..., size], of the input's dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Normalization.Forward(new(NormalizationKind.LayerNorm, Eps, ZeroCenteredGamma), input, weight, bias);
    }
}
