using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>A matrix as codes and scales.</summary>
/// <remarks>It owns its tensors, which are in no dispose scope, and is shared by counting its users.</remarks>
public sealed class ScaledMatrix : IDisposable
{
    private static long _bytesKept;
    private int _users = 1;
    private int _keepers;

    /// <param name="format">What codes stand for.</param>
    /// <param name="scaling">Which elements share a scale.</param>
    /// <param name="rows">The number of rows, as stored.</param>
    /// <param name="columns">The number of columns, as stored.</param>
    /// <param name="codes">uint8.</param>
    /// <param name="scales">float32, or uint8 for E8M0 and E4M3.</param>
    /// <param name="amax">float32 [1] for NVFP4; null for others.</param>
    /// <param name="isTransposed">Whether it is the transpose of what was quantized.</param>
    internal ScaledMatrix(
        CodeFormat format,
        Scaling scaling,
        long rows,
        long columns,
        Tensor codes,
        Tensor scales,
        Tensor? amax = null,
        bool isTransposed = false
    )
    {
        (Format, Scaling, Rows, Columns, IsTransposed) = (format, scaling, rows, columns, isTransposed);
        Codes = codes.DetachFromDisposeScope();
        Scales = scales.DetachFromDisposeScope();
        Amax = amax?.DetachFromDisposeScope();
    }

    /// <summary>What codes stand for.</summary>
    public CodeFormat Format { get; }

    /// <summary>Which elements share a scale.</summary>
    public Scaling Scaling { get; }

    /// <summary>The number of rows, as stored.</summary>
    public long Rows { get; }

    /// <summary>The number of columns, as stored.</summary>
    public long Columns { get; }

    /// <summary>Whether it is the transpose of what was quantized.</summary>
    public bool IsTransposed { get; }

    /// <summary>uint8 [rows, columns], or [rows, (columns + 1) / 2] for 4-bit codes. Do not dispose it.</summary>
    public Tensor Codes { get; }

    /// <summary>
    /// What a code is multiplied with, in the layout of <see cref="Scaling" />: float32, or uint8 that hold E8M0 (MXFP8)
    /// and E4M3 (NVFP4). Do not dispose it.
    /// </summary>
    public Tensor Scales { get; }

    /// <summary>float32 [1]: the amax of the whole matrix for NVFP4; null for others. Do not dispose it.</summary>
    public Tensor? Amax { get; }

    /// <summary>The bytes of codes and scales.</summary>
    public long ByteCount => Bytes(Codes) + Bytes(Scales) + (Amax is null ? 0 : Bytes(Amax));

    /// <summary>The bytes of all matrices that graphs keep for their backward passes, each counted once.</summary>
    internal static long BytesKept => Interlocked.Read(ref _bytesKept);

    /// <summary>Releases the tensors once the last user has disposed it.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            Codes.Dispose();
            Scales.Dispose();
            Amax?.Dispose();
        }
    }

    /// <summary>The same matrix for another user, which disposes it too.</summary>
    internal ScaledMatrix Share()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>The same matrix for a graph, which gives it back by <see cref="Unkeep" />.</summary>
    internal ScaledMatrix Keep()
    {
        if (Interlocked.Increment(ref _keepers) == 1)
        {
            Interlocked.Add(ref _bytesKept, ByteCount);
        }

        return Share();
    }

    /// <summary>Ends <see cref="Keep" />.</summary>
    internal void Unkeep()
    {
        if (Interlocked.Decrement(ref _keepers) == 0)
        {
            Interlocked.Add(ref _bytesKept, -ByteCount);
        }

        Dispose();
    }

    private static long Bytes(Tensor tensor) => tensor.numel() * tensor.element_size();
}
