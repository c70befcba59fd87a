using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>A state's absmax as libnbit takes it: plain, or quantized itself.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly unsafe ref struct AbsmaxArguments : IDisposable
{
    private readonly DenseTensor _first,
        _nested,
        _offset;

    private AbsmaxArguments(QuantState state)
    {
        _first = Checked(state.Absmax, state.Nested is null ? ScalarType.Float32 : ScalarType.Byte, state.Blocks);
        if (state.Nested is not { } nested)
        {
            Absmax = (float*)_first.Address;
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
        if (state.Blocks == 0)
        {
            return; // an empty tensor has no address, and the three go together
        }

        Absmax = (float*)_nested.Address;
        Codes = (byte*)_first.Address;
        Book = nested.Code.NativeValues;
        Offset = (float*)_offset.Address;
    }

    public float* Absmax { get; }

    public byte* Codes { get; }

    public float* Book { get; }

    public float* Offset { get; }

    /// <exception cref="ArgumentException">The state is not what its shape and block size ask for.</exception>
    public static AbsmaxArguments Of(QuantState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return new(state);
    }

    public void Dispose()
    {
        _first.Dispose();
        _nested.Dispose();
        _offset.Dispose();
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
