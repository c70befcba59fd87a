namespace NBit.TransformerEngine.Modules;

/// <summary>The order of the dimensions of sequences.</summary>
public enum SequenceFormat
{
    /// <summary>[sequence, batch, hidden].</summary>
    Sbhd,

    /// <summary>[batch, sequence, hidden].</summary>
    Bshd,
}
