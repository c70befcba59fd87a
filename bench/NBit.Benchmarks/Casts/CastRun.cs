using NBit.Benchmarks.Machine;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Casts;

/// <summary>Memory for a cast, and the two ways to do it. No memory is made or first touched in a cast.</summary>
internal sealed unsafe class CastRun : IDisposable
{
    /// <summary>The number of elements is at most this, or a multiple of it.</summary>
    public const int PatternCount = 1 << 20;

    private readonly NativeContext _context = new();
    private readonly int _sourceType,
        _targetType;
    private readonly CastPair _pair;
    private readonly long _count;
    private readonly Tensor _source,
        _target;
    private readonly void* _sourceData,
        _targetData;

    /// <param name="pair">The formats.</param>
    /// <param name="count">The number of elements.</param>
    public CastRun(CastPair pair, long count)
    {
        (_pair, _count) = (pair, count);
        (_sourceType, _targetType) = ((int)pair.From.Type, (int)pair.To.Type);
        _source = empty(count, dtype: pair.From.ScalarType);
        _target = empty(count, dtype: pair.To.ScalarType);
        _sourceData = _source.DataAddress();
        _targetData = _target.DataAddress();
        using var scope = NewDisposeScope();
        var pattern = randn(Math.Min(count, PatternCount)).to(pair.From.ScalarType);
        _source.view(-1, pattern.shape[0]).copy_(pattern);
        _target.zero_();
    }

    public Span<byte> Source => new(_sourceData, checked((int)(_count * _pair.From.Bytes)));

    public Span<byte> Target => new(_targetData, checked((int)(_count * _pair.To.Bytes)));

    /// <summary>NBit's way.</summary>
    public void CastByNBit() => CastByNBit(scale: null, amax: null);

    /// <summary>NBit's way, with a factor of 1 and the largest magnitude found on the way.</summary>
    public float CastByNBitWithAmax()
    {
        float scale = 1,
            amax = 0;
        CastByNBit(&scale, &amax);
        return amax;
    }

    /// <summary>The largest magnitude of the source, by libtorch.</summary>
    public float LargestMagnitude()
    {
        using var scope = NewDisposeScope();
        return _source.to(ScalarType.Float32).abs().max().item<float>();
    }

    /// <summary>libtorch's way.</summary>
    public void CastByLibtorch() => _target.copy_(_source);

    public void Dispose()
    {
        _source.Dispose();
        _target.Dispose();
        _context.Dispose();
    }

    private void CastByNBit(float* scale, float* amax) =>
        NativeStatus.ThrowIfFailed(
            Libnbit.nbit_values_cast(
                _context.Address,
                _sourceType,
                _sourceData,
                _count,
                _targetType,
                _targetData,
                scale,
                amax
            )
        );
}
