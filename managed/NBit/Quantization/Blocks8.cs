using NBit.Devices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>8-bit quantization in blocks.</summary>
internal static unsafe class Blocks8
{
    public static (Tensor Codes, QuantState State) Quantize(
        Tensor source,
        Codebook code,
        int blocksize,
        bool nested,
        Tensor? output
    )
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfLessThan(blocksize, 1);
        Blocks4.CheckFloating(source, nameof(source));
        var count = source.numel();
        using var scope = NewDisposeScope();
        using var dense = DenseTensor.Of(source, nameof(source));
        var codes = output ?? empty(source.shape, ScalarType.Byte, source.device);
        var absmax = empty([QuantState.BlocksOf(count, blocksize)], ScalarType.Float32, source.device);
        using var codeMemory = DenseTensor.Target(codes, nameof(output), ScalarType.Byte, source.shape);
        using var absmaxMemory = DenseTensor.New(absmax);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_blocks8_quantize(
                    context,
                    code.Native.Address,
                    (int)source.dtype,
                    dense.Address,
                    count,
                    blocksize,
                    (byte*)codeMemory.Address,
                    (float*)absmaxMemory.Address
                ),
            dense,
            codeMemory,
            absmaxMemory
        );
        var state = new QuantState
        {
            Absmax = absmax,
            Code = code,
            Blocksize = blocksize,
            DataType = source.dtype,
            Shape = source.shape,
        };
        if (nested)
        {
            state = AbsmaxQuantization.Compress(state, blocksize);
        }

        return (output ?? codes.DetachFromDisposeScope(), state.DetachFromDisposeScope());
    }

    public static Tensor Dequantize(Tensor codes, QuantState state, Tensor? output)
    {
        ArgumentNullException.ThrowIfNull(codes);
        if (codes.dtype != ScalarType.Byte || codes.numel() != state.Count)
        {
            throw new ArgumentException(
                $"codes are {codes.dtype} of {codes.numel()} elements; they must be Byte of {state.Count}",
                nameof(codes)
            );
        }

        var type = output?.dtype ?? state.DataType;
        var shape = state.Shape.ToArray();
        using var plain = state.Nested is null ? null : AbsmaxQuantization.Recover(state);
        using var absmaxMemory = AbsmaxArguments.Checked(plain ?? state.Absmax, ScalarType.Float32, state.Blocks);
        using var codeMemory = DenseTensor.Of(codes, nameof(codes));
        var target = output ?? empty(shape, type, codes.device);
        try
        {
            using var targetMemory = DenseTensor.Target(target, nameof(output), type, shape);
            DeviceCall.Run(
                context =>
                    Libnbit.nbit_blocks8_dequantize(
                        context,
                        state.Code.Native.Address,
                        (byte*)codeMemory.Address,
                        (float*)absmaxMemory.Address,
                        state.Count,
                        state.Blocksize,
                        (int)type,
                        targetMemory.Address
                    ),
                codeMemory,
                absmaxMemory,
                targetMemory
            );
            return target;
        }
        catch when (output is null)
        {
            target.Dispose();
            throw;
        }
    }
}
