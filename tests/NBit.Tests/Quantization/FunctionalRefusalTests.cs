using NBit.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>Arguments of the functional API that do not fit are refused; no memory is read that is not theirs.</summary>
public sealed class FunctionalRefusalTests : DisposeScopeFixture
{
    private static IEnumerable<TestCaseData> Refused4()
    {
        foreach (var size in (int[])[-64, 0, 16, 48, 8192])
        {
            yield return Case<ArgumentOutOfRangeException>(
                $"block size {size}",
                () => Functional.Quantize4Bit(ones(4), blocksize: size),
                "allowed are the powers of two from 32 to 4096"
            );
        }

        foreach (var type in (ScalarType[])[ScalarType.Float64, ScalarType.Int32, ScalarType.Byte, ScalarType.Bool])
        {
            yield return Case<ArgumentException>(
                $"{type} source",
                () => Functional.Quantize4Bit(ones(4, dtype: type)),
                $"source is {type}; allowed are Float32, Float16 and BFloat16"
            );
        }

        yield return Case<NotSupportedException>(
            "meta source",
            () => Functional.Quantize4Bit(empty(4, device: META)),
            "source is on META; NBit works on CPU and CUDA tensors"
        );
        yield return Case<ArgumentOutOfRangeException>(
            "unknown type",
            () => Functional.Quantize4Bit(ones(4), (QuantType)7),
            "allowed are FP4 and NF4"
        );
        yield return Case4(
            "packed too short",
            (packed, state) => Functional.Dequantize4Bit(packed.narrow(0, 0, 31), state),
            "packed has 31 bytes; a weight of [64] has 32"
        );
        yield return Case4(
            "packed too long",
            (_, state) => Functional.Dequantize4Bit(zeros(33, 1, dtype: ScalarType.Byte), state),
            "packed has 33 bytes"
        );
        yield return Case4(
            "a shape that lies",
            (packed, state) => Functional.Dequantize4Bit(packed, state with { Shape = [1 << 20] }),
            "a weight of [1048576] has 524288"
        );
        yield return Case4(
            "absmax too short",
            (packed, state) => Functional.Dequantize4Bit(packed, state with { Blocksize = 32 }),
            "absmax is Float32 of 1 elements; it must be Float32 of 2"
        );
        yield return Case4(
            "block size 0",
            (packed, state) => Functional.Dequantize4Bit(packed, state with { Blocksize = 0 }),
            "the state's block size is 0"
        );
        yield return Case4(
            "absmax of codes without a nested state",
            (packed, state) => Functional.Dequantize4Bit(packed, state with { Absmax = zeros(1, ScalarType.Byte) }),
            "absmax is Byte of 1 elements; it must be Float32 of 1"
        );
        yield return Case4(
            "a nested state without an offset",
            (packed, state) =>
                Functional.Dequantize4Bit(
                    packed,
                    state with
                    {
                        Absmax = zeros(1, ScalarType.Byte),
                        Nested = state with { Blocksize = 256, Code = Codebook.DynamicSigned },
                    }
                ),
            "no offset"
        );
        yield return Case4(
            "8-bit state",
            (packed, state) => Functional.Dequantize4Bit(packed, state with { QuantType = null }),
            "the state is that of 8-bit codes"
        );
        yield return Case4(
            "output of another shape",
            (packed, state) => Functional.Dequantize4Bit(packed, state, empty(63)),
            "output is Float32 [63]; it must be a contiguous Float32 [64]"
        );
        yield return Case4(
            "strided output",
            (packed, state) => Functional.Dequantize4Bit(packed, state, empty(64, 2).select(1, 0)),
            "not contiguous"
        );
        yield return Case4(
            "output of another dtype than asked for",
            (packed, state) => Functional.Dequantize4Bit(packed, state, empty(64), ScalarType.BFloat16),
            "it must be a contiguous BFloat16 [64]"
        );
        yield return Case4(
            "int output",
            (packed, state) => Functional.Dequantize4Bit(packed, state, empty(64, dtype: ScalarType.Int32)),
            "type"
        );

        static TestCaseData Case4(string name, Func<Tensor, QuantState, object> call, string message) =>
            Case<ArgumentException>(
                name,
                () =>
                {
                    var (packed, state) = Functional.Quantize4Bit(ones(64), QuantType.NF4);
                    call(packed, state);
                },
                message
            );
    }

    private static IEnumerable<TestCaseData> Refused8()
    {
        yield return Case<ArgumentOutOfRangeException>(
            "block size 0",
            () => Functional.QuantizeBlockwise(ones(4), blocksize: 0),
            "blocksize"
        );
        yield return Case<ArgumentException>(
            "a 4-bit code",
            () => Functional.QuantizeBlockwise(ones(4), Codebook.NF4),
            "a codebook of 16 values was given for 8-bit codes; give one of 256"
        );
        yield return Case<ArgumentException>(
            "float64",
            () => Functional.QuantizeBlockwise(ones(4, dtype: ScalarType.Float64)),
            "source is Float64"
        );
        yield return Case<ArgumentException>(
            "codes of another shape",
            () => Functional.QuantizeBlockwise(ones(4), output: empty(5, dtype: ScalarType.Byte)),
            "output is Byte [5]; it must be a contiguous Byte [4]"
        );
        yield return Case<ArgumentException>(
            "codes of another dtype",
            () => Functional.QuantizeBlockwise(ones(4), output: empty(4, dtype: ScalarType.Int8)),
            "output is Int8 [4]"
        );
        yield return Case8(
            "codes too short",
            (codes, state) => Functional.DequantizeBlockwise(codes.narrow(0, 0, 99), state),
            "codes are Byte of 99 elements; they must be Byte of 100"
        );
        yield return Case8(
            "codes of another dtype",
            (codes, state) => Functional.DequantizeBlockwise(codes.to(ScalarType.Int8), state),
            "codes are Int8"
        );
        yield return Case8(
            "absmax too short",
            (codes, state) => Functional.DequantizeBlockwise(codes, state with { Blocksize = 1 }),
            "absmax is Float32 of 2 elements; it must be Float32 of 100"
        );
        yield return Case8(
            "absmax of another dtype",
            (codes, state) =>
                Functional.DequantizeBlockwise(codes, state with { Absmax = state.Absmax.to(ScalarType.Float64) }),
            "absmax is Float64"
        );
        yield return Case8(
            "block size 0",
            (codes, state) => Functional.DequantizeBlockwise(codes, state with { Blocksize = 0 }),
            "the state's block size is 0"
        );
        yield return Case8(
            "a 4-bit code",
            (codes, state) => Functional.DequantizeBlockwise(codes, state with { Code = Codebook.FP4 }),
            "a codebook of 16 values"
        );
        yield return Case8(
            "nested absmax too short",
            (codes, state) => Functional.DequantizeBlockwise(codes, Nested(state, zeros(0))),
            "absmax is Float32 of 0 elements; it must be Float32 of 1"
        );
        yield return Case8(
            "nested codes too short",
            (_, state) => Nested(state with { Shape = [1000] }, zeros(1)).RecoverAbsmax(),
            "absmax is Byte of 2 elements; it must be Byte of 16"
        );
        yield return Case8(
            "nested without an offset",
            (codes, state) => Functional.DequantizeBlockwise(codes, Nested(state, zeros(1)) with { Offset = null }),
            "no offset"
        );

        static QuantState Nested(QuantState state, Tensor absmax) =>
            state with
            {
                Absmax = zeros(2, ScalarType.Byte),
                Offset = zeros(1),
                Nested = new QuantState
                {
                    Absmax = absmax,
                    Code = Codebook.DynamicSigned,
                    Blocksize = 256,
                    DataType = ScalarType.Float32,
                    Shape = [2],
                },
            };

        static TestCaseData Case8(string name, Func<Tensor, QuantState, object> call, string message) =>
            Case<ArgumentException>(
                name,
                () =>
                {
                    var (codes, state) = Functional.QuantizeBlockwise(ones(100), blocksize: 64);
                    call(codes, state);
                },
                message
            );
    }

    [TestCaseSource(nameof(Refused4))]
    [TestCaseSource(nameof(Refused8))]
    public void An_argument_that_does_not_fit_is_refused(Type type, Action call, string message)
    {
        var error = Assert.Catch(() => call());
        Assert.That(error, Is.InstanceOf(type));
        Assert.That(error!.Message, Does.Contain(message));
    }

    private static TestCaseData Case<TException>(string name, Action call, string message)
        where TException : Exception => new TestCaseData(typeof(TException), call, message).SetArgDisplayNames(name);
}
