namespace NBit.TransformerEngine;

/// <summary>A module that keeps the scales of its products.</summary>
internal interface IFloat8Module
{
    /// <summary>What it keeps.</summary>
    Float8State State { get; }
}
