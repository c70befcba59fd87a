using NBit.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>4-bit blocks, against the nearest of 16 numbers by exhaustive search.</summary>
public sealed class Block4Tests : DisposeScopeFixture
{
    [Test]
    public void Each_element_becomes_its_nearest_code(
        [Values] QuantType type,
        [Values(32, 64, 4096)] int blocksize,
        [Values(ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16)] ScalarType dtype,
        [Values(1, 31, 64, 65, 5001)] int count
    )
    {
        manual_seed(1);
        var source = randn(count).to(dtype);
        var (packed, state) = Functional.Quantize4Bit(source, type, blocksize);
        Assert.That(packed.shape, Is.EqualTo(new long[] { (count + 1) / 2, 1 }));
        Assert.That(
            (state.Count, state.Blocks),
            Is.EqualTo(((long)count, (long)((count + blocksize - 1) / blocksize)))
        );

        var numbers = source.to(ScalarType.Float32).data<float>().ToArray();
        var restored = Functional.Dequantize4Bit(packed, state, dtype: ScalarType.Float32).data<float>().ToArray();
        var absmax = state.Absmax.data<float>().ToArray();
        for (var start = 0; start < count; start += blocksize)
        {
            var block = numbers[start..Math.Min(start + blocksize, count)];
            var largest = block.Max(Math.Abs);
            Assert.That(absmax[start / blocksize], Is.EqualTo(largest));
            for (var i = 0; i < block.Length; i++)
            {
                var nearest = state.Code.Values.Min(value => Math.Abs((value * largest) - block[i]));
                Assert.That(
                    Math.Abs(restored[start + i] - block[i]),
                    Is.LessThanOrEqualTo(nearest + (1e-6f * largest)),
                    $"element {start + i}"
                );
            }
        }
    }

    [Test]
    public void An_output_that_is_given_gets_what_a_new_one_would(
        [Values] bool compressStatistics,
        [Values(ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16)] ScalarType dtype
    )
    {
        var (packed, state) = Quantized(compressStatistics, 7, 33);
        var output = full([7, 33], 5, dtype);
        var returned = Functional.Dequantize4Bit(packed, state, output);
        Assert.That(returned, Is.SameAs(output));
        TensorAssert.Equal(output, Functional.Dequantize4Bit(packed, state, dtype: dtype));
    }

    [Test]
    public void Double_quantization_keeps_absmax_to_8_bits([Values(1, 64, 70_000)] int count)
    {
        manual_seed(1);
        var source = randn(count);
        var (packed, plain) = Functional.Quantize4Bit(source, QuantType.NF4);
        var (same, state) = Functional.Quantize4Bit(source, QuantType.NF4, compressStatistics: true);
        TensorAssert.Equal(same, packed);
        Assert.That(state.Absmax.dtype, Is.EqualTo(ScalarType.Byte));
        Assert.That(state.Nested!.Absmax.numel(), Is.EqualTo((plain.Blocks + 255) / 256));
        Assert.That(state.Bytes, Is.EqualTo(plain.Blocks + (4 * state.Nested.Blocks) + 4));
        TensorAssert.Close(state.RecoverAbsmax(), plain.Absmax, 0.01);
        TensorAssert.Close(
            Functional.Dequantize4Bit(packed, state),
            Functional.Dequantize4Bit(packed, plain),
            relative: 0.01
        );
    }

    [Test]
    public void A_source_that_is_strided_gives_what_its_copy_gives([Values] bool compressStatistics)
    {
        var source = randn(33, 18).t().narrow(0, 3, 11);
        Assert.That(source.is_contiguous(), Is.False);
        var (packed, state) = Functional.Quantize4Bit(source, compressStatistics: compressStatistics);
        var (expected, expectedState) = Functional.Quantize4Bit(
            source.contiguous(),
            compressStatistics: compressStatistics
        );
        TensorAssert.Equal(packed, expected);
        TensorAssert.Equal(state.Absmax, expectedState.Absmax);
    }

    [Test]
    public void An_empty_source_comes_back_empty([Values] bool compressStatistics)
    {
        var (packed, state) = Functional.Quantize4Bit(empty(0, 5), compressStatistics: compressStatistics);
        Assert.That((packed.numel(), state.Absmax.numel()), Is.EqualTo((0L, 0L)));
        Assert.That(Functional.Dequantize4Bit(packed, state).shape, Is.EqualTo(new long[] { 0, 5 }));
    }

    [Test]
    public void The_storage_dtype_changes_no_byte(
        [Values(ScalarType.BFloat16, ScalarType.Float32, ScalarType.Int8)] ScalarType storage
    )
    {
        var source = randn(3, 33); // 50 bytes: no whole number of float32 elements
        var (packed, state) = Functional.Quantize4Bit(source);
        var (stored, storedState) = Functional.Quantize4Bit(source, quantStorage: storage);
        Assert.That(stored.dtype, Is.EqualTo(storage));
        Assert.That(stored.bytes[..50].SequenceEqual(packed.bytes), Is.True);
        TensorAssert.Equal(Functional.Dequantize4Bit(stored, storedState), Functional.Dequantize4Bit(packed, state));
    }

    [Test]
    public void A_copy_of_a_state_outlives_it([Values] bool compressStatistics)
    {
        var (packed, state) = Quantized(compressStatistics, 4, 64);
        var copy = state.Copy();
        var expected = Functional.Dequantize4Bit(packed, state);
        state.Dispose();
        TensorAssert.Equal(Functional.Dequantize4Bit(packed, copy), expected);
    }

    [Test]
    public void Results_leave_the_scope_that_they_were_made_in_only_when_it_ends()
    {
        using var source = randn(64, 64);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                var (packed, state) = Functional.Quantize4Bit(source, compressStatistics: true);
                Functional.Dequantize4Bit(packed, state).Dispose();
                packed.Dispose();
                state.Dispose();
            }
        );
    }

    private static (Tensor Packed, QuantState State) Quantized(bool compressStatistics, params long[] shape)
    {
        manual_seed(1);
        return Functional.Quantize4Bit(randn(shape), QuantType.NF4, compressStatistics: compressStatistics);
    }
}
