namespace NBit.Precision;

/// <summary>"32-true": float32 throughout; nothing is converted.</summary>
public sealed class SinglePrecision : PrecisionMode
{
    /// <inheritdoc />
    public override string Name => "32-true";
}
