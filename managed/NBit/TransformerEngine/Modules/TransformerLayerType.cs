namespace NBit.TransformerEngine.Modules;

/// <summary>What a layer of a transformer attends to.</summary>
public enum TransformerLayerType
{
    /// <summary>Its own sequence.</summary>
    Encoder,

    /// <summary>Its own sequence, and the output of an encoder.</summary>
    Decoder,
}
