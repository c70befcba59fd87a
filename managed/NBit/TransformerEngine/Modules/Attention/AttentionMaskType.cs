namespace NBit.TransformerEngine.Modules;

/// <summary>What queries may attend to.</summary>
public enum AttentionMaskType
{
    /// <summary>Keys up to their own position.</summary>
    Causal,

    /// <summary>All keys.</summary>
    NoMask,

    /// <summary>Keys that a mask [batch, 1, 1, keys] does not mark as padding. (What comes out for a padded query means
    /// nothing.)</summary>
    Padding,

    /// <summary>Both <see cref="Causal" /> and <see cref="Padding" />.</summary>
    PaddingCausal,

    /// <summary>What a mask that broadcasts to [batch, heads, queries, keys] does not mark.</summary>
    Arbitrary,
}
