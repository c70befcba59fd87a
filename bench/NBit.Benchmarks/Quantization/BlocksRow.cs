using NBit.Benchmarks.Machine;
using NBit.Benchmarks.Measurement;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Quantization;

/// <summary>Quantization or dequantization of float32 in blocks, beside libtorch's copy of the same numbers.</summary>
/// <param name="name">What is done.</param>
/// <param name="isStreaming">Whether reading and writing count, and not reading alone.</param>
/// <param name="bytes">The bytes that are read and written for each number.</param>
/// <param name="make">From numbers to the work.</param>
internal sealed class BlocksRow(
    string name,
    bool isStreaming,
    (double Read, double Written) bytes,
    Func<Tensor, BlocksWork> make
) : Row(name)
{
    // The largest error of a code: half of the widest gap between neighbours (nf4: 0.152; dynamic map: 0.0071).
    private const double LargestError = 0.16;

    public override Trial Prepare()
    {
        var count = Caches.MemoryBytes / sizeof(float);
        var numbers = randn(count);
        var copy = zeros(count);
        var work = make(numbers);
        var (read, written) = (count * bytes.Read, count * bytes.Written);
        return new Trial(work)
        {
            Contenders =
            [
                new("NBit", () => Clock.Seconds(work.Run)),
                new("copy_", () => Clock.Seconds(() => copy.copy_(numbers))),
            ],
            Limits = [isStreaming ? MachineLimits.StreamingCopy(read + written) : MachineLimits.Reading(read)],
            Work = read + written,
        };
    }

    public override string Check()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var numbers = randn(100_000);
        using var work = make(numbers);
        work.Run();
        var error = (work.Numbers() - numbers).abs().max() / numbers.abs().max();
        return error.item<float>() <= LargestError
            ? $"at most {error.item<float>():P1} of the largest number off"
            : throw new CheckFailedException($"{error.item<float>():P1} of the largest number off");
    }
}

/// <summary>Something that is done to numbers in blocks, and what it means.</summary>
/// <param name="Run">Does it.</param>
/// <param name="Numbers">The numbers that the codes stand for.</param>
/// <param name="Memory">Released at the end.</param>
internal sealed record BlocksWork(Action Run, Func<Tensor> Numbers, params IDisposable[] Memory) : IDisposable
{
    /// <summary>Quantizes to nf4, into given memory.</summary>
    public static BlocksWork QuantizeNf4(Tensor numbers)
    {
        var codes = zeros([(numbers.numel() + 1) / 2, 1], ScalarType.Byte);
        return new(
            () => Functional.Quantize4Bit(numbers, QuantType.NF4, output: codes).State.Dispose(),
            () =>
                Functional.Dequantize4Bit(codes, Functional.Quantize4Bit(numbers, QuantType.NF4, output: codes).State),
            codes
        );
    }

    /// <summary>Quantizes to 8 bits, into given memory.</summary>
    public static BlocksWork Quantize8(Tensor numbers)
    {
        var codes = zeros(numbers.shape, ScalarType.Byte);
        return new(
            () => Functional.QuantizeBlockwise(numbers, output: codes).State.Dispose(),
            () => Functional.DequantizeBlockwise(codes, Functional.QuantizeBlockwise(numbers, output: codes).State),
            codes
        );
    }

    /// <summary>Dequantizes from 8 bits, into given memory.</summary>
    public static BlocksWork Dequantize8(Tensor numbers)
    {
        var (codes, state) = Functional.QuantizeBlockwise(numbers);
        var target = zeros(numbers.shape);
        return new(
            () => Functional.DequantizeBlockwise(codes, state, target),
            () => Functional.DequantizeBlockwise(codes, state),
            codes,
            state,
            target
        );
    }

    public void Dispose()
    {
        foreach (var memory in Memory)
        {
            memory.Dispose();
        }
    }
}
