using NBit.Interop;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Matrices whose float32 scales are in tensors of bytes, which casts of a model's floating-point tensors leave
/// as they are.</summary>
internal static unsafe class ByteScales
{
    /// <summary>The same operand with such scales.</summary>
    /// <param name="operand">Disposed here.</param>
    public static QuantizedOperand Of(QuantizedOperand operand)
    {
        using var scope = NewDisposeScope();
        using (operand)
        {
            var rows = Of(operand.RowWise!);
            return ReferenceEquals(operand.RowWise, operand.ColumnWise)
                ? QuantizedOperand.Both(rows)
                : new(rows, Of(operand.ColumnWise!));
        }
    }

    private static ScaledMatrix Of(ScaledMatrix matrix) =>
        new(
            matrix.Format,
            matrix.Scaling,
            matrix.Rows,
            matrix.Columns,
            matrix.Codes.detach(),
            Bytes(matrix.Scales),
            matrix.Amax is null ? null : Bytes(matrix.Amax),
            matrix.IsTransposed
        );

    private static Tensor Bytes(Tensor tensor)
    {
        if (tensor.dtype == ScalarType.Byte)
        {
            return tensor.detach();
        }

        var bytes = empty([.. tensor.shape[..^1], tensor.shape[^1] * tensor.element_size()], ScalarType.Byte);
        var count = bytes.numel();
        Buffer.MemoryCopy(NativeTensor.Address(tensor), NativeTensor.Address(bytes), count, count);
        return bytes;
    }
}
