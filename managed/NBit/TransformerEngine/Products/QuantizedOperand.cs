namespace NBit.TransformerEngine;

/// <summary>An operand of the products of a linear layer.</summary>
/// <param name="RowWise">For products that sum over its columns; null where none does.</param>
/// <param name="ColumnWise">For products that sum over its rows; null where none does. The same matrix where scales do
/// not depend on the direction.</param>
/// <remarks>It owns both.</remarks>
internal sealed record QuantizedOperand(ScaledMatrix? RowWise, ScaledMatrix? ColumnWise) : IDisposable
{
    /// <summary>An operand whose scales do not depend on the direction.</summary>
    public static QuantizedOperand Both(ScaledMatrix matrix) => new(matrix, matrix.Share());

    /// <summary>The same operand for another user, which disposes it too.</summary>
    public QuantizedOperand Share() => new(RowWise?.Share(), ColumnWise?.Share());

    public void Dispose()
    {
        RowWise?.Dispose();
        ColumnWise?.Dispose();
    }
}
