using NBit.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>The functions of LLM.int8(), against libtorch's on the same numbers.</summary>
public sealed class Int8FunctionalTests : DisposeScopeFixture
{
    [Test]
    public void Rows_are_scaled_by_their_absmax(
        [Values(ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16)] ScalarType dtype,
        [Values(1, 7, 64)] int columns
    )
    {
        manual_seed(1);
        var a = randn(5, columns).to(dtype);
        using var rows = Functional.Int8VectorwiseQuantize(a);
        var wide = a.to(ScalarType.Float32);
        var absmax = wide.abs().amax([1]);
        TensorAssert.Equal(rows.RowAbsmax, absmax);
        TensorAssert.Equal(rows.Codes, (wide * (127 / absmax).unsqueeze(1)).round().to(ScalarType.Int8));
        Assert.That(rows.OutlierColumns, Is.Null);
        TensorAssert.Close(
            Functional.Int8VectorwiseDequantize(rows.Codes, rows.RowAbsmax),
            wide,
            relative: 0.5 / 127 * 1.001
        );
    }

    [Test]
    public void Outliers_count_for_no_absmax_and_their_columns_are_named()
    {
        var a = ones(3, 6);
        a[0, 4] = 6;
        a[2, 1] = -9;
        using var rows = Functional.Int8VectorwiseQuantize(a, threshold: 6);
        Assert.That(rows.OutlierColumns!.data<long>().ToArray(), Is.EqualTo(new long[] { 1, 4 }));
        Assert.That(rows.RowAbsmax.data<float>().ToArray(), Is.All.EqualTo(1));
        Assert.That(rows.Codes.index_select(1, rows.OutlierColumns).ne(0).any().item<bool>(), Is.False);
        using var none = Functional.Int8VectorwiseQuantize(a, threshold: 10);
        Assert.That(none.OutlierColumns!.numel(), Is.Zero);
    }

    [Test]
    public void Products_of_codes_are_exact([Values(0, 1, 33)] int m, [Values(1, 17)] int n, [Values(0, 1, 130)] int k)
    {
        manual_seed(1);
        var a = randint(-127, 128, [m, k]).to(ScalarType.Int8);
        var b = randint(-127, 128, [n, k]).to(ScalarType.Int8);
        var product = Functional.Int8LinearMatmul(a, b);
        TensorAssert.Equal(product, a.to(ScalarType.Float64).mm(b.to(ScalarType.Float64).t()).to(ScalarType.Int32));
    }

    [Test]
    public void A_product_becomes_numbers_with_a_bias_of_any_dtype(
        [Values(null, ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16)] ScalarType? bias,
        [Values(ScalarType.Float32, ScalarType.Float16)] ScalarType dtype
    )
    {
        var product = arange(-6, 6, dtype: ScalarType.Int32).view(3, 4) * 1000;
        var (rows, columns) = (rand(3) + 1, rand(4) + 1);
        var offset = bias is { } type ? randn(4).to(type) : null;
        var numbers = Functional.Int8MatmulDequantize(product, rows, columns, offset, dtype);
        var expected = product.to(ScalarType.Float64) * rows.unsqueeze(1) * columns / (127 * 127.0);
        if (offset is not null)
        {
            expected += offset;
        }

        Assert.That(numbers.dtype, Is.EqualTo(dtype));
        TensorAssert.Close(numbers, expected, dtype == ScalarType.Float32 ? 1e-5 : 1e-3);
    }

    [Test]
    public void A_mixed_product_is_close_to_the_float_one(
        [Values(0.0, 6.0)] double threshold,
        [Values(new long[] { 5, 40 }, new long[] { 2, 3, 40 }, new long[] { 40 }, new long[] { 0, 40 })] long[] shape
    )
    {
        manual_seed(1);
        var (x, weight, bias) = (randn(shape), randn(9, 40), randn(9));
        using var rows = Functional.Int8VectorwiseQuantize(weight);
        var y = Functional.Int8MixedMatmul(x, rows.Codes, rows.RowAbsmax, bias, threshold);
        TensorAssert.Close(y, nn.functional.linear(x, weight, bias), 0.03);
    }

    private static IEnumerable<TestCaseData> Refused()
    {
        yield return Case("vector", () => Functional.Int8VectorwiseQuantize(ones(4)), "it must be a matrix");
        yield return Case(
            "float64",
            () => Functional.Int8VectorwiseQuantize(ones(4, 4, dtype: ScalarType.Float64)),
            "Float64"
        );
        foreach (var threshold in (double[])[-1, double.NaN, double.PositiveInfinity])
        {
            yield return Case(
                $"threshold {threshold}",
                () => Functional.Int8VectorwiseQuantize(ones(4, 4), threshold),
                "allowed are 0 (no outliers) and above"
            );
            yield return Case(
                $"threshold {threshold} of a product",
                () => Functional.Int8MixedMatmul(ones(2, 4), Codes(3, 4), ones(3), threshold: threshold),
                "allowed are 0 (no outliers) and above"
            );
        }

        yield return Case("columns", () => Functional.Int8LinearMatmul(Codes(2, 3), Codes(2, 4)), "columns must agree");
        yield return Case("float codes", () => Functional.Int8LinearMatmul(ones(2, 3), Codes(2, 3)), "must be Int8");
        yield return Case(
            "absmax",
            () => Functional.Int8VectorwiseDequantize(Codes(2, 3), ones(3)),
            "it must be Float32 of 2"
        );
        yield return Case(
            "int result",
            () => Functional.Int8VectorwiseDequantize(Codes(2, 3), ones(2), ScalarType.Int32),
            "type"
        );
        yield return Case(
            "product",
            () => Functional.Int8MatmulDequantize(ones(2, 3), ones(2), ones(3)),
            "product is Float32; it must be Int32"
        );
        foreach (var bias in (Func<Tensor>[])[() => ones(2), () => ones(3, 1), () => ones(3, ScalarType.Float64)])
        {
            yield return Case(
                "bias",
                () => Functional.Int8MatmulDequantize(zeros(2, 3, ScalarType.Int32), ones(2), ones(3), bias()),
                "a layer of 3 outputs takes Float32, Float16 or BFloat16 [3]"
            );
            yield return Case(
                "bias of a product",
                () => Functional.Int8MixedMatmul(ones(2, 4), Codes(3, 4), ones(3), bias()),
                "a layer of 3 outputs takes Float32, Float16 or BFloat16 [3]"
            );
        }

        yield return Case(
            "width",
            () => Functional.Int8MixedMatmul(ones(2, 5), Codes(3, 4), ones(3)),
            "x is [2, 5]; the weight has 4 inputs"
        );
        yield return Case(
            "int input",
            () => Functional.Int8MixedMatmul(ones(2, 4, ScalarType.Int32), Codes(3, 4), ones(3)),
            "it must be floating-point"
        );

        static Tensor Codes(long rows, long columns) => zeros(rows, columns, dtype: ScalarType.Int8);

        static TestCaseData Case(string name, Action call, string message) =>
            new TestCaseData(call, message).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Refused))]
    public void An_argument_that_does_not_fit_is_refused(Action call, string message)
    {
        var error = Assert.Catch<ArgumentException>(() => call());
        Assert.That(error!.Message, Does.Contain(message));
    }
}
