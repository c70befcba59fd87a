using NBit.Devices;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>A state's absmax as libnbit takes it: plain, or quantized itself.</summary>
internal sealed unsafe class AbsmaxArguments : IDisposable
{
    private readonly DenseTensor _first;
    private readonly DenseTensor? _nested,
        _offset;
    private readonly float* _book;

    private AbsmaxArguments(QuantState state)
    {
        _first = Checked(state.Absmax, state.Nested is null ? ScalarType.Float32 : ScalarType.Byte, state.Blocks);
        if (state.Nested is not { } nested)
        {
            return;
        }

        if (nested.Blocksize != QuantState.NestedBlocksize || state.Offset is null || nested.Code.Bits != 8)
        {
            throw new ArgumentException(
                $"absmax is quantized in blocks of {nested.Blocksize} with codes of {nested.Code.Bits} bits and "
                    + $"{(state.Offset is null ? "no" : "an")} offset; NBit reads blocks of {QuantState.NestedBlocksize}, "
                    + "8 bits and an offset",
                nameof(state)
            );
        }

        _nested = Checked(
            nested.Absmax,
            ScalarType.Float32,
            QuantState.BlocksOf(state.Blocks, QuantState.NestedBlocksize)
        );
        _offset = Checked(state.Offset, ScalarType.Float32, 1);
        _book = nested.Code.NativeValues;
    }

    /// <summary>The tensors, for <see cref="DeviceCall" />.</summary>
    public DenseTensor[] Tensors => _nested is null ? [_first] : [_first, _nested, _offset!];

    public float* Absmax => (float*)(_nested ?? _first).Address;

    // An empty tensor has no address, and the three go together.
    public byte* Codes => _nested is null ? null : (byte*)_first.Address;

    public float* Book => Codes is null ? null : _book;

    public float* Offset => Codes is null ? null : (float*)_offset!.Address;

    /// <exception cref="ArgumentException">The state is not what its shape and block size ask for.</exception>
    public static AbsmaxArguments Of(QuantState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return new(state);
    }

    public void Dispose()
    {
        _first.Dispose();
        _nested?.Dispose();
        _offset?.Dispose();
    }

    /// <exception cref="ArgumentException">It is of another dtype or another number of elements.</exception>
    public static DenseTensor Checked(Tensor tensor, ScalarType type, long count) =>
        tensor.dtype == type && tensor.numel() == count
            ? DenseTensor.Of(tensor, "absmax")
            : throw new ArgumentException(
                $"absmax is {tensor.dtype} of {tensor.numel()} elements; it must be {type} of {count}",
                nameof(tensor)
            );
}
