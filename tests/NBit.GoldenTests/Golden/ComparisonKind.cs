namespace NBit.GoldenTests.Golden;

/// <summary>What two tensors are held to.</summary>
public enum ComparisonKind
{
    /// <summary>The same bits; NaN equals NaN.</summary>
    Exact,

    /// <summary>Equal numbers: -0 equals +0, NaN equals NaN.</summary>
    Value,

    /// <summary>Numbers within a tolerance.</summary>
    Close,

    /// <summary>Codes of which a few may differ by a few steps.</summary>
    Codes,

    /// <summary>The same bytes, whatever number they are of their dtype.</summary>
    Bytes,
}
