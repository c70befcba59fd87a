using NBit.Devices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>Double quantization: absmax in 8 bits, less its mean (QLoRA, arXiv:2305.14314, section 3).</summary>
internal static unsafe class AbsmaxQuantization
{
    /// <summary>A state whose absmax is quantized itself; the given one's absmax is not disposed.</summary>
    /// <param name="state">A state with plain absmax.</param>
    /// <param name="blocksize">Entries that share one nested absmax.</param>
    public static QuantState Compress(QuantState state, int blocksize = QuantState.NestedBlocksize)
    {
        var code = Codebook.DynamicSigned;
        var count = state.Absmax.numel();
        var device = state.Absmax.device;
        var codes = empty([count], ScalarType.Byte, device);
        var nested = empty([QuantState.BlocksOf(count, blocksize)], ScalarType.Float32, device);
        var offset = empty(Array.Empty<long>(), ScalarType.Float32, device);
        using var absmaxMemory = DenseTensor.Of(state.Absmax, nameof(state.Absmax));
        using var codeMemory = DenseTensor.New(codes);
        using var nestedMemory = DenseTensor.New(nested);
        using var offsetMemory = DenseTensor.New(offset);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_absmax_quantize(
                    context,
                    code.Native.Address,
                    (float*)absmaxMemory.Address,
                    count,
                    blocksize,
                    given_offset: null,
                    (byte*)codeMemory.Address,
                    (float*)nestedMemory.Address,
                    (float*)offsetMemory.Address
                ),
            absmaxMemory,
            codeMemory,
            nestedMemory,
            offsetMemory
        );
        return state with
        {
            Absmax = codes,
            Offset = offset,
            Nested = new QuantState
            {
                Absmax = nested,
                Code = code,
                Blocksize = blocksize,
                DataType = ScalarType.Float32,
                Shape = [count],
            },
        };
    }

    /// <summary>The absmax of each block of a state with double quantization.</summary>
    /// <exception cref="ArgumentException">The state is not what its shape and block sizes ask for.</exception>
    public static Tensor Recover(QuantState state)
    {
        var nested = state.Nested!;
        if (state.Offset is null || nested.Code.Bits != 8)
        {
            throw new ArgumentException(
                $"absmax is quantized with codes of {nested.Code.Bits} bits and {(state.Offset is null ? "no" : "an")} "
                    + "offset; it takes 8 bits and an offset",
                nameof(state)
            );
        }

        var count = state.Blocks;
        using var codes = AbsmaxArguments.Checked(state.Absmax, ScalarType.Byte, count);
        using var nestedMemory = AbsmaxArguments.Checked(
            nested.Absmax,
            ScalarType.Float32,
            QuantState.BlocksOf(count, nested.Blocksize)
        );
        using var offset = AbsmaxArguments.Checked(state.Offset, ScalarType.Float32, 1);
        var absmax = empty([count], ScalarType.Float32, state.Absmax.device);
        using var target = DenseTensor.New(absmax);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_absmax_dequantize(
                    context,
                    nested.Code.NativeValues,
                    (byte*)codes.Address,
                    (float*)nestedMemory.Address,
                    (float*)offset.Address,
                    count,
                    nested.Blocksize,
                    (float*)target.Address
                ),
            codes,
            nestedMemory,
            offset,
            target
        );
        return absmax;
    }
}
