namespace NBit.TransformerEngine;

/// <summary>What an operand is to a linear layer.</summary>
internal enum OperandRole
{
    /// <summary>The layer's input.</summary>
    Input,

    /// <summary>The layer's weight.</summary>
    Weight,

    /// <summary>The gradient of the layer's output.</summary>
    Gradient,
}
