using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>A module that begins with LayerNorm or RMSNorm of its input, whose result is cast for a linear
/// product.</summary>
/// <remarks>
/// The norm is computed in float32. With delayed scaling it is cast from there; other recipes, and modules that return
/// it, round it to the dtype of activations first.
/// </remarks>
public abstract class LayerNormModule : Float8Module
{
    private const string WeightName = "layer_norm_weight";
    private const string BiasName = "layer_norm_bias";

    private protected LayerNormModule(string name, int products, long features, LayerNormModuleOptions options)
        : base(name, products)
    {
        Settings = new(options.Normalization, options.Eps, options.ZeroCenteredGamma);
        (ReturnLayerNormOutput, ReturnBias) = (options.ReturnLayerNormOutput, options.ReturnBias);
        FuseWeightGradientAccumulation = options.FuseWeightGradientAccumulation;
        ConditionallyRegisterParameter(
            WeightName,
            ModuleParameters.Create(
                [features],
                options.DataType,
                made => nn.init.constant_(made, options.ZeroCenteredGamma ? 0 : 1)
            )
        );
        if (options.Normalization == NormalizationKind.LayerNorm)
        {
            ConditionallyRegisterParameter(
                BiasName,
                ModuleParameters.Create([features], options.DataType, made => nn.init.zeros_(made))
            );
        }
    }

    /// <summary>The parameter <c>layer_norm_weight</c>, the scale of the norm [in].</summary>
    public Parameter LayerNormWeight => get_parameter(WeightName)!;

    /// <summary>The parameter <c>layer_norm_bias</c>, the shift of the norm [in]; null for RMSNorm.</summary>
    public Parameter? LayerNormBias => get_parameter(BiasName);

    /// <summary>Which norm it is.</summary>
    public NormalizationKind Normalization => Settings.Kind;

    /// <summary>What is added to the variance or mean square.</summary>
    public double Eps => Settings.Eps;

    /// <summary>Whether inputs are scaled by 1 + <see cref="LayerNormWeight" />.</summary>
    public bool ZeroCenteredGamma => Settings.ZeroCenteredGamma;

    /// <summary>Whether <see cref="ForwardParts" /> returns the normalized input.</summary>
    public bool ReturnLayerNormOutput { get; }

    /// <summary>Whether the last bias is not added, and returned by <see cref="ForwardParts" />.</summary>
    public bool ReturnBias { get; }

    /// <summary>Whether gradients of weights go into tensors of the caller, and not into their own gradients.</summary>
    public bool FuseWeightGradientAccumulation { get; }

    private protected NormalizationSettings Settings { get; }

    /// <inheritdoc />
    public sealed override Tensor forward(Tensor input, bool? isFirstMicrobatch)
    {
        ModuleOutput.CheckSingle(this, ReturnBias, ReturnLayerNormOutput);
        return ForwardParts(input, isFirstMicrobatch).Output;
    }

    /// <summary>The module, with what else it was made to return.</summary>
    /// <param name="input">[..., in].</param>
    /// <param name="isFirstMicrobatch">As in <see cref="forward(Tensor, bool?)" />.</param>
    /// <returns>[..., out]; the bias where <see cref="ReturnBias" /> is on, and the normalized input [..., in] where
    /// <see cref="ReturnLayerNormOutput" /> is on, both of the output's dtype.</returns>
    /// <exception cref="ArgumentException">A dtype, device or size does not fit.</exception>
    /// <exception cref="InvalidOperationException">The gradient of a weight has no tensor to go to.</exception>
    public ModuleOutput ForwardParts(Tensor input, bool? isFirstMicrobatch = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var scope = NewDisposeScope();
        // Codes have no dtype of their own, and masters any.
        var parameters = named_parameters(recurse: false)
            .Where(pair => !State.Primaries.Any(weight => weight.Owns(pair.name)))
            .Select(pair => (pair.name, (Tensor?)pair.parameter));
        var precision = ModulePrecision.Of(input, [.. parameters]);
        var normalized = NBit.TransformerEngine.Normalization.Forward(
            Settings,
            input.to(precision.Activation),
            LayerNormWeight,
            LayerNormBias,
            ReturnLayerNormOutput ? precision.Activation : precision.Intermediate
        );
        var (output, bias) = Project(normalized, precision, isFirstMicrobatch);
        return new ModuleOutput(
            output,
            ReturnBias ? bias?.to(precision.Activation) : null,
            ReturnLayerNormOutput ? normalized : null
        ).MoveToOuterDisposeScope();
    }

    /// <summary>What follows the norm.</summary>
    /// <param name="normalized">[..., in].</param>
    /// <param name="precision">In what to compute.</param>
    /// <param name="isFirstMicrobatch">Whether weights are cached.</param>
    /// <returns>[..., out], and the last bias, which was added unless <see cref="ReturnBias" /> is on.</returns>
    private protected abstract (Tensor Output, Tensor? Bias) Project(
        Tensor normalized,
        ModulePrecision precision,
        bool? isFirstMicrobatch
    );
}
