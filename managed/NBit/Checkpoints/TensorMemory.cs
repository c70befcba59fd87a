using System.Runtime.InteropServices;
using NBit.Interop;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>
/// A contiguous CPU tensor's elements as bytes, of any dtype and size; valid while the tensor is alive.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly unsafe ref struct TensorMemory
{
    // Spans end at 2 GB. Pieces of this size keep up with the page cache.
    private const int LongestChunk = 1 << 23;
    private readonly byte* _address;

    private TensorMemory(byte* address, long length)
    {
        _address = address;
        Length = length;
    }

    /// <summary>The number of bytes.</summary>
    public long Length { get; }

    /// <summary>The memory of a tensor.</summary>
    /// <param name="tensor">Contiguous, on the CPU.</param>
    public static TensorMemory Of(Tensor tensor)
    {
        var address = NativeTensor.Address(tensor);
        return new((byte*)address, tensor.numel() * tensor.element_size());
    }

    /// <summary>Checks that a tensor has memory that can be addressed, on any device.</summary>
    /// <exception cref="ArgumentException">It is sparse, or of another layout without an address.</exception>
    public static void CheckDense(Tensor tensor) => NativeTensor.Address(tensor);

    /// <summary>The bytes from an offset on, as many as one span should hold.</summary>
    public Span<byte> ChunkAt(long offset) => new(_address + offset, (int)Math.Min(Length - offset, LongestChunk));
}
