using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using NBit.Native;

namespace NBit.Benchmarks.Casts;

/// <summary>Memory of both formats, filled with the same numbers.</summary>
internal sealed unsafe class TensorPrimitivesRun : IDisposable
{
    /// <summary>What an element takes in both formats.</summary>
    public const int BytesOfBoth = sizeof(float) + sizeof(ushort);

    private readonly NativeContext _context = new(threads: 1);
    private readonly float[] _singles;
    private readonly Half[] _halves;

    public TensorPrimitivesRun(int count)
    {
        var random = new Random(1);
        _singles = GC.AllocateUninitializedArray<float>(count, pinned: true);
        _halves = GC.AllocateUninitializedArray<Half>(count, pinned: true);
        for (var i = 0; i < count; i++)
        {
            _singles[i] = (random.NextSingle() - 0.5f) * 8;
        }

        ByTensorPrimitives(toHalf: true);
    }

    public void ByTensorPrimitives(bool toHalf)
    {
        if (toHalf)
        {
            TensorPrimitives.ConvertToHalf(_singles, _halves);
        }
        else
        {
            TensorPrimitives.ConvertToSingle(_halves, _singles);
        }
    }

    public void ByNBit(bool toHalf)
    {
        fixed (float* singles = _singles)
        fixed (Half* halves = _halves)
        {
            var (from, to) = (nbit_data_type.NBIT_DATA_TYPE_FLOAT32, nbit_data_type.NBIT_DATA_TYPE_FLOAT16);
            NativeStatus.ThrowIfFailed(
                Libnbit.nbit_values_cast(
                    _context.Address,
                    (int)(toHalf ? from : to),
                    toHalf ? singles : halves,
                    _singles.Length,
                    (int)(toHalf ? to : from),
                    toHalf ? halves : singles,
                    scale: null,
                    amax: null
                )
            );
        }
    }

    /// <summary>What a cast wrote.</summary>
    public byte[] Result(bool toHalf) => Written(toHalf).ToArray();

    /// <summary>Overwrites it.</summary>
    public void Clear(bool toHalf) => Written(toHalf).Clear();

    public void Dispose() => _context.Dispose();

    private Span<byte> Written(bool toHalf) =>
        toHalf ? MemoryMarshal.AsBytes(_halves.AsSpan()) : MemoryMarshal.AsBytes(_singles.AsSpan());
}
