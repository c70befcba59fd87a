namespace NBit.TransformerEngine;

/// <summary>Keeps the operands that modules cast on a thread while it is there: what tests compare.</summary>
internal sealed class OperandWatch : IDisposable
{
    [ThreadStatic]
    private static OperandWatch? _current;

    private readonly OperandWatch? _outer = _current;
    private readonly List<(OperandRole Role, int Product, QuantizedOperand Operand)> _seen = [];

    public OperandWatch() => _current = this;

    /// <summary>The newest operand of a role in a product.</summary>
    public QuantizedOperand Newest(OperandRole role, int product) =>
        _seen.Last(entry => entry.Role == role && entry.Product == product).Operand;

    /// <summary>Notes an operand where a watch is on.</summary>
    /// <returns>The same operand.</returns>
    public static QuantizedOperand See(OperandRole role, int product, QuantizedOperand operand)
    {
        _current?._seen.Add((role, product, operand.Share()));
        return operand;
    }

    public void Dispose()
    {
        _current = _outer;
        _seen.ForEach(entry => entry.Operand.Dispose());
        _seen.Clear();
    }
}
