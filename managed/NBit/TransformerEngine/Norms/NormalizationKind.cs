namespace NBit.TransformerEngine;

/// <summary>What a norm subtracts and divides by.</summary>
public enum NormalizationKind
{
    /// <summary>The mean, and the standard deviation.</summary>
    LayerNorm,

    /// <summary>Nothing, and the root of the mean square.</summary>
    RMSNorm,
}
