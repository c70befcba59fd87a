using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>What is needed besides the codes to undo a quantization in blocks (bitsandbytes' <c>QuantState</c>).</summary>
/// <remarks>It owns its tensors; dispose it with the codes.</remarks>
public sealed record QuantState : IDisposable
{
    /// <summary>The blocks of nested absmax: what bitsandbytes uses, and what the 4-bit products read.</summary>
    public const int NestedBlocksize = 256;

    /// <summary>
    /// The largest magnitude of each block: float32 [blocks], or its 8-bit codes, uint8 [blocks], where
    /// <see cref="Nested" /> is given (double quantization).
    /// </summary>
    public required Tensor Absmax { get; init; }

    /// <summary>What the codes stand for.</summary>
    public required Codebook Code { get; init; }

    /// <summary>The number of elements that share one absmax.</summary>
    public required int Blocksize { get; init; }

    /// <summary>The dtype that was quantized, which dequantization gives again.</summary>
    public required ScalarType DataType { get; init; }

    /// <summary>The shape that was quantized.</summary>
    public required IReadOnlyList<long> Shape { get; init; }

    /// <summary>The kind of 4-bit codes; null for 8-bit ones.</summary>
    public QuantType? QuantType { get; init; }

    /// <summary>How absmax was quantized itself, less <see cref="Offset" />; null where it was not.</summary>
    public QuantState? Nested { get; init; }

    /// <summary>What was subtracted from absmax before it was quantized: float32, one number; null without
    /// <see cref="Nested" />.</summary>
    public Tensor? Offset { get; init; }

    /// <summary>The number of elements that were quantized.</summary>
    public long Count => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>The number of blocks.</summary>
    public long Blocks => BlocksOf(Count, Blocksize);

    /// <summary>The bytes of absmax and, with double quantization, of its state.</summary>
    public long Bytes =>
        (Absmax.numel() * Absmax.element_size()) + (Nested?.Bytes ?? 0) + (Offset is null ? 0 : sizeof(float));

    /// <summary>The absmax of each block, recovered where it is quantized itself.</summary>
    /// <returns>A new float32 tensor [blocks].</returns>
    public Tensor RecoverAbsmax() => Nested is null ? Absmax.clone() : AbsmaxQuantization.Recover(this);

    /// <summary>A copy with tensors of its own.</summary>
    /// <returns>The copy.</returns>
    public QuantState Copy() =>
        this with
        {
            Absmax = Absmax.clone(),
            Offset = Offset?.clone(),
            Nested = Nested?.Copy(),
        };

    /// <inheritdoc />
    public void Dispose()
    {
        Absmax.Dispose();
        Offset?.Dispose();
        Nested?.Dispose();
    }

    internal static long BlocksOf(long count, int blocksize) =>
        blocksize >= 1
            ? (count + blocksize - 1) / blocksize
            : throw new ArgumentException($"the state's block size is {blocksize}; allowed are 1 and above");

    /// <summary>A copy on another device, with tensors of its own.</summary>
    internal QuantState To(Device device) =>
        this with
        {
            Absmax = Absmax.to(device),
            Offset = Offset?.to(device),
            Nested = Nested?.To(device),
        };

    internal QuantState DetachFromDisposeScope()
    {
        Absmax.DetachFromDisposeScope();
        Offset?.DetachFromDisposeScope();
        Nested?.DetachFromDisposeScope();
        return this;
    }
}
