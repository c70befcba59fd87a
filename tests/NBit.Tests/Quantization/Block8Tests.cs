using NBit.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>8-bit blocks, against the nearest of 256 numbers by exhaustive search.</summary>
public sealed class Block8Tests : DisposeScopeFixture
{
    private static readonly Dictionary<string, Func<Codebook>> Codes = new(StringComparer.Ordinal)
    {
        ["dynamic"] = () => Codebook.DynamicSigned,
        ["dynamic unsigned"] = () => Codebook.DynamicUnsigned,
        ["dynamic, 5 bits"] = () => Codebook.Dynamic(totalBits: 5, maxExponentBits: 3),
        ["linear"] = () => Codebook.Linear(),
        ["float8"] = () => Codebook.Float8(),
    };

    private static IEnumerable<string> CodeNames() => Codes.Keys;

    [Test]
    public void Each_element_becomes_its_nearest_code(
        [ValueSource(nameof(CodeNames))] string name,
        [Values(1, 7, 64, 4096)] int blocksize,
        [Values(1, 65, 1500)] int count
    )
    {
        manual_seed(1);
        var code = Codes[name]();
        var source = randn(count);
        var (codes, state) = Functional.QuantizeBlockwise(source, code, blocksize);
        var numbers = source.data<float>().ToArray();
        var restored = Functional.DequantizeBlockwise(codes, state).data<float>().ToArray();
        for (var i = 0; i < count; i++)
        {
            var block = numbers[(i / blocksize * blocksize)..Math.Min(((i / blocksize) + 1) * blocksize, count)];
            var largest = block.Max(Math.Abs);
            var nearest = code.Values.Min(value => Math.Abs((value * largest) - numbers[i]));
            Assert.That(
                Math.Abs(restored[i] - numbers[i]),
                Is.LessThanOrEqualTo(nearest + (1e-6f * largest)),
                $"element {i}"
            );
        }
    }

    [Test]
    public void Outputs_that_are_given_get_what_new_ones_would(
        [Values] bool nested,
        [Values(ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16)] ScalarType dtype
    )
    {
        var source = randn(9, 31).to(dtype);
        var (expected, _) = Functional.QuantizeBlockwise(source, nested: nested, blocksize: 64);
        var given = empty(9, 31, dtype: ScalarType.Byte);
        var (codes, state) = Functional.QuantizeBlockwise(source, nested: nested, blocksize: 64, output: given);
        Assert.That(codes, Is.SameAs(given));
        TensorAssert.Equal(codes, expected);

        var output = empty(9, 31, dtype: dtype);
        Assert.That(Functional.DequantizeBlockwise(codes, state, output), Is.SameAs(output));
        TensorAssert.Equal(output, Functional.DequantizeBlockwise(codes, state));
        TensorAssert.Close(output, source, 0.05);
    }

    [Test]
    public void Absmax_is_quantized_in_blocks_of_the_same_size()
    {
        var (codes, state) = Functional.QuantizeBlockwise(randn(10_000), blocksize: 32, nested: true);
        Assert.That((state.Nested!.Blocksize, state.Nested.Absmax.numel()), Is.EqualTo((32, 10L)));
        Assert.That(codes.dtype, Is.EqualTo(ScalarType.Byte));
    }

    [Test]
    public void A_source_that_is_strided_gives_what_its_copy_gives()
    {
        var source = randn(33, 18).t();
        var (codes, _) = Functional.QuantizeBlockwise(source, blocksize: 32);
        TensorAssert.Equal(codes, Functional.QuantizeBlockwise(source.contiguous(), blocksize: 32).Codes);
    }

    [Test]
    public void An_empty_source_comes_back_empty([Values] bool nested)
    {
        var (codes, state) = Functional.QuantizeBlockwise(empty(3, 0), nested: nested);
        Assert.That(Functional.DequantizeBlockwise(codes, state).shape, Is.EqualTo(new long[] { 3, 0 }));
    }

    [Test]
    public void Calls_leave_their_results_behind_and_nothing_else([Values] bool nested)
    {
        using var source = randn(5, 100);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                var (codes, state) = Functional.QuantizeBlockwise(source, blocksize: 64, nested: nested);
                Functional.DequantizeBlockwise(codes, state).Dispose();
                codes.Dispose();
                state.Dispose();
            }
        );
    }
}
