using NBit.Devices;
using NBit.Interop;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>4-bit quantization in blocks.</summary>
internal static unsafe class Blocks4
{
    private const int SmallestBlock = 32,
        LargestBlock = 4096;

    public static (Tensor Packed, QuantState State) Quantize(
        Tensor source,
        QuantType quantType,
        int blocksize,
        bool compressStatistics,
        ScalarType quantStorage,
        Tensor? output
    )
    {
        ArgumentNullException.ThrowIfNull(source);
        var code = Codebook.OfType(quantType);
        CheckBlocksize(blocksize);
        CheckFloating(source, nameof(source));
        if (output is not null && quantStorage != ScalarType.Byte)
        {
            throw new ArgumentException(
                $"an output is given for codes kept as {quantStorage}; it takes Byte",
                nameof(output)
            );
        }

        var count = source.numel();
        using var scope = NewDisposeScope();
        using var dense = DenseTensor.Of(source, nameof(source));
        long[] shape = [(count + 1) / 2, 1];
        var packed = output ?? empty(shape, ScalarType.Byte, source.device);
        var absmax = empty([QuantState.BlocksOf(count, blocksize)], ScalarType.Float32, source.device);
        using var packedMemory = DenseTensor.Target(packed, nameof(output), ScalarType.Byte, shape);
        using var absmaxMemory = DenseTensor.New(absmax);
        DeviceCall.Run(
            context =>
                Libnbit.nbit_blocks4_quantize(
                    context,
                    (int)quantType,
                    (int)source.dtype,
                    dense.Address,
                    count,
                    blocksize,
                    (byte*)packedMemory.Address,
                    (float*)absmaxMemory.Address
                ),
            dense,
            packedMemory,
            absmaxMemory
        );
        var state = new QuantState
        {
            Absmax = absmax,
            Code = code,
            Blocksize = blocksize,
            DataType = source.dtype,
            Shape = source.shape,
            QuantType = quantType,
        };
        if (compressStatistics)
        {
            state = AbsmaxQuantization.Compress(state);
        }

        if (output is not null)
        {
            return (output, state.DetachFromDisposeScope());
        }

        var stored = quantStorage == ScalarType.Byte ? packed : Store(packed, quantStorage);
        return (stored.DetachFromDisposeScope(), state.DetachFromDisposeScope());
    }

    public static Tensor Dequantize(Tensor packed, QuantState state, Tensor? output, ScalarType? dtype)
    {
        var type = dtype ?? output?.dtype ?? state.DataType;
        var shape = state.Shape.ToArray();
        using var bytes = Bytes(packed, state);
        using var absmax = AbsmaxArguments.Of(state);
        var target = output ?? empty(shape, type, packed.device);
        try
        {
            using var targetMemory = DenseTensor.Target(target, nameof(output), type, shape);
            DeviceCall.Run(
                context =>
                    Libnbit.nbit_blocks4_dequantize(
                        context,
                        (int)state.QuantType!.Value,
                        (byte*)bytes.Address,
                        absmax.Absmax,
                        absmax.Codes,
                        absmax.Book,
                        absmax.Offset,
                        state.Count,
                        state.Blocksize,
                        (int)type,
                        targetMemory.Address
                    ),
                [bytes, .. absmax.Tensors, targetMemory]
            );
            return target;
        }
        catch when (output is null)
        {
            target.Dispose();
            throw;
        }
    }

    /// <summary>Packed codes, of whatever storage dtype.</summary>
    public static DenseTensor Bytes(Tensor packed, QuantState state)
    {
        ArgumentNullException.ThrowIfNull(packed);
        if (state.QuantType is null)
        {
            throw new ArgumentException("the state is that of 8-bit codes; use DequantizeBlockwise", nameof(state));
        }

        var needed = (state.Count + 1) / 2;
        var given = packed.numel() * packed.element_size();
        return given >= needed && given - needed < packed.element_size()
            ? DenseTensor.Of(packed, nameof(packed))
            : throw new ArgumentException(
                $"packed has {given} bytes; a weight of [{string.Join(", ", state.Shape)}] has {needed}",
                nameof(packed)
            );
    }

    /// <exception cref="ArgumentException">It is no float32, float16 or bfloat16.</exception>
    public static void CheckFloating(Tensor tensor, string name)
    {
        if (tensor.dtype is not (ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
        {
            throw new ArgumentException(
                $"{name} is {tensor.dtype}; allowed are Float32, Float16 and BFloat16: convert it by .to(...)",
                name
            );
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">It is no power of two from 32 to 4096.</exception>
    public static void CheckBlocksize(int blocksize)
    {
        if (blocksize is < SmallestBlock or > LargestBlock || !int.IsPow2(blocksize))
        {
            throw new ArgumentOutOfRangeException(
                nameof(blocksize),
                blocksize,
                $"allowed are the powers of two from {SmallestBlock} to {LargestBlock}"
            );
        }
    }

    // The same bytes under another dtype, as FSDP wants them; the last element may be filled up by zeros.
    private static Tensor Store(Tensor packed, ScalarType type)
    {
        using var one = empty([1], type);
        using var scope = NewDisposeScope();
        var bytes = packed.cpu();
        var stored = zeros([(bytes.numel() + one.element_size() - 1) / one.element_size(), 1], type);
        Buffer.MemoryCopy(
            NativeTensor.Address(bytes),
            NativeTensor.Address(stored),
            stored.numel() * one.element_size(),
            bytes.numel()
        );
        return stored.to(packed.device).MoveToOuterDisposeScope();
    }
}
