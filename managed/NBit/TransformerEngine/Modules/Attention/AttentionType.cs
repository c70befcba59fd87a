namespace NBit.TransformerEngine.Modules;

/// <summary>Where keys and values come from.</summary>
public enum AttentionType
{
    /// <summary>From the sequence that queries come from.</summary>
    Self,

    /// <summary>From the output of an encoder.</summary>
    Cross,
}
