namespace NBit.TransformerEngine.Modules;

/// <summary>How queries and keys are normalized, head by head.</summary>
public enum QueryKeyNormalization
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>By x / sqrt(sum(x^2) + eps).</summary>
    L2Normalization,

    /// <summary>By <see cref="Modules.RMSNorm" /> modules <c>q_norm</c> and <c>k_norm</c>.</summary>
    RMSNorm,

    /// <summary>By <see cref="Modules.LayerNorm" /> modules <c>q_norm</c> and <c>k_norm</c>.</summary>
    LayerNorm,
}
