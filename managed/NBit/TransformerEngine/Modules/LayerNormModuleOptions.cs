using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>The options of <see cref="LayerNormLinear" /> and <see cref="LayerNormMLP" />: data only.</summary>
public sealed record LayerNormModuleOptions
{
    /// <summary>Added to the variance or mean square.</summary>
    public double Eps { get; init; } = 1e-5;

    /// <summary>Which norm it is.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of them.</exception>
    public NormalizationKind Normalization
    {
        get;
        init => field = OptionChecks.Defined(value);
    }

    /// <summary>Whether inputs are scaled by 1 + layer_norm_weight, and that begins as 0.</summary>
    public bool ZeroCenteredGamma { get; init; }

    /// <summary>Whether linear layers have biases; they begin as 0.</summary>
    public bool HasBias { get; init; } = true;

    /// <summary>Whether ForwardParts returns the normalized input. It is rounded before it is cast then.</summary>
    public bool ReturnLayerNormOutput { get; init; }

    /// <summary>Whether the last bias is not added, and returned by ForwardParts.</summary>
    public bool ReturnBias { get; init; }

    /// <summary>Fills weights [out, in] in place; null for numbers of N(0, 0.023).</summary>
    public Action<Tensor>? InitMethod { get; init; }

    /// <summary>The dtype of the parameters, float32, float16 or bfloat16; null for the default dtype.</summary>
    public ScalarType? DataType { get; init; }

    /// <summary>Whether gradients of weights go into tensors of the caller, and not into their own gradients.</summary>
    public bool FuseWeightGradientAccumulation { get; init; }
}
