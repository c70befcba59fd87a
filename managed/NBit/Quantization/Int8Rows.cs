using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>Rows in 8 bits: each is codes * absmax / 127.</summary>
/// <param name="Codes">int8 [rows, columns]; 0 in outlier columns.</param>
/// <param name="RowAbsmax">float32 [rows]: the largest magnitude of a row that is no outlier.</param>
/// <param name="OutlierColumns">int64: the columns that hold an outlier, rising; null where there was no
/// threshold.</param>
/// <remarks>It owns its tensors.</remarks>
public sealed record Int8Rows(Tensor Codes, Tensor RowAbsmax, Tensor? OutlierColumns) : IDisposable
{
    /// <inheritdoc />
    public void Dispose()
    {
        Codes.Dispose();
        RowAbsmax.Dispose();
        OutlierColumns?.Dispose();
    }

    internal Int8Rows DetachFromDisposeScope()
    {
        Codes.DetachFromDisposeScope();
        RowAbsmax.DetachFromDisposeScope();
        OutlierColumns?.DetachFromDisposeScope();
        return this;
    }

    internal Int8Rows MoveToOuterDisposeScope()
    {
        Codes.MoveToOuterDisposeScope();
        RowAbsmax.MoveToOuterDisposeScope();
        OutlierColumns?.MoveToOuterDisposeScope();
        return this;
    }
}
