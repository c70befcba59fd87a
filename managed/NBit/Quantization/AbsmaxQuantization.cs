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
        var codes = empty([count], ScalarType.Byte);
        var nested = empty([(count + blocksize - 1) / blocksize], ScalarType.Float32);
        var offset = empty(Array.Empty<long>(), ScalarType.Float32);
        using var absmaxMemory = DenseTensor.Of(state.Absmax, nameof(state.Absmax));
        using var codeMemory = DenseTensor.Of(codes, nameof(codes));
        using var nestedMemory = DenseTensor.Of(nested, nameof(nested));
        using var offsetMemory = DenseTensor.Of(offset, nameof(offset));
        NativeStatus.ThrowIfFailed(
            Libnbit.nbit_absmax_quantize(
                Contexts.Cpu.Address,
                code.Native.Address,
                (float*)absmaxMemory.Address,
                count,
                blocksize,
                given_offset: null,
                (byte*)codeMemory.Address,
                (float*)nestedMemory.Address,
                (float*)offsetMemory.Address
            )
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
    public static Tensor Recover(QuantState state)
    {
        var nested = state.Nested!;
        using var codes = DenseTensor.Of(state.Absmax, nameof(state.Absmax));
        using var nestedMemory = DenseTensor.Of(nested.Absmax, nameof(nested.Absmax));
        using var offset = DenseTensor.Of(state.Offset, nameof(state.Offset));
        var absmax = empty([state.Absmax.numel()], ScalarType.Float32);
        using var target = DenseTensor.Of(absmax, nameof(absmax));
        NativeStatus.ThrowIfFailed(
            Libnbit.nbit_absmax_dequantize(
                Contexts.Cpu.Address,
                nested.Code.NativeValues,
                (byte*)codes.Address,
                (float*)nestedMemory.Address,
                (float*)offset.Address,
                state.Absmax.numel(),
                nested.Blocksize,
                (float*)target.Address
            )
        );
        return absmax;
    }
}
