using System.Text.Json;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Golden;

/// <summary>Each kind of comparison accepts what it should, and can fail.</summary>
public sealed class ComparisonTests
{
    private const float NaN = float.NaN;

    /// <summary>A rule; what it must accept as [1, 2, 4, 8], or another expectation; and what it must not.</summary>
    private static readonly (string Rule, float[] Expected, float[] Accepted, float[] Refused)[] Cases =
    [
        ("""{"rule": "exact"}""", [1, 0, NaN], [1, 0, NaN], [1, -0f, NaN]),
        ("""{"rule": "exact"}""", [1, 2], [1, 2], [1, 2.0000002f]),
        ("""{"rule": "exact"}""", [NaN], [NaN], [0]),
        ("""{"rule": "value"}""", [1, 0, NaN], [1, -0f, NaN], [1, 1e-30f, NaN]),
        ("""{"rule": "value"}""", [1, float.PositiveInfinity], [1, float.PositiveInfinity], [1, float.MaxValue]),
        ("""{"rule": "close", "rtol": 0.25}""", [4, -8], [5, -6], [5.001f, -8]),
        ("""{"rule": "close", "atol": 0.5}""", [4, 8], [4.5f, 7.5f], [4, 8.501f]),
        ("""{"rule": "close", "rtol": 0.25, "atol": 0.5}""", [4, 8], [5.5f, 8], [5.501f, 8]),
        ("""{"rule": "close", "rtol": 1}""", [1, 2], [1, 2], [NaN, 2]),
        ("""{"rule": "close", "rtol": 1}""", [NaN, 2], [NaN, 2], [1, 2]),
        ("""{"rule": "close", "atol_of_max": 0.25}""", [1, 8], [3, 8], [3.001f, 8]),
        ("""{"rule": "close", "atol": 1, "outside_fraction": 0.25}""", [1, 2, 3, 4], [1, 2, 3, 9], [1, 2, 9, 9]),
        ("""{"rule": "close", "atol": 3, "rms": 1}""", [0, 0, 0, 0], [2, 0, 0, 0], [2, 1, 0, 0]),
        ("""{"rule": "close", "of": "norm", "atol": 0.5}""", [3, 4], [4, 3], [4, 4]),
        ("""{"rule": "close", "of": "norm", "rtol": 0.1}""", [3, 4], [5.5f, 0], [5.501f, 0]),
        ("""{"rule": "codes", "max_fraction": 0.25, "max_step": 2}""", [1, 2, 3, 4], [1, 2, 3, 6], [1, 2, 3, 7]),
        ("""{"rule": "codes", "max_fraction": 0.25, "max_step": 2}""", [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 4, 5]),
    ];

    private static IEnumerable<TestCaseData> Rules() =>
        Cases.Select(row => new TestCaseData(row.Rule, row.Expected, row.Accepted, row.Refused));

    [TestCaseSource(nameof(Rules))]
    public void A_rule_accepts_and_refuses(string rule, float[] expected, float[] accepted, float[] refused)
    {
        using var scope = NewDisposeScope();
        var comparison = Comparison.Of(JsonDocument.Parse(rule).RootElement);
        Assert.That(comparison.Difference(tensor(accepted), tensor(expected)), Is.Null);
        Assert.That(comparison.Difference(tensor(refused), tensor(expected)), Is.Not.Null);
    }

    [Test]
    public void Bytes_tell_one_NaN_from_another()
    {
        using var scope = NewDisposeScope();
        var other = BitConverter.Int32BitsToSingle(0x7fc00001);
        var comparison = new Comparison(ComparisonKind.Bytes);
        Assert.That(comparison.Difference(tensor(new[] { other }), tensor(new[] { other })), Is.Null);
        Assert.That(comparison.Difference(tensor(new[] { other }), tensor(new[] { NaN })), Is.Not.Null);
        Assert.That(Comparison.Exact.Difference(tensor(new[] { other }), tensor(new[] { NaN })), Is.Null);
    }

    [Test]
    public void Units_in_the_last_place_are_those_of_the_largest_element_of_a_row()
    {
        using var scope = NewDisposeScope();
        var expected = tensor(
                new float[,]
                {
                    { 0, 8 },
                    { 0, 1 },
                }
            )
            .to(ScalarType.Float16);
        var comparison = Comparison.Close() with { UlpsOfRowMaximum = 3 };
        Assert.That(comparison.Difference(Moved(0, 3.0 / 128), expected), Is.Null);
        Assert.That(comparison.Difference(Moved(0, 3.1 / 128), expected), Is.Not.Null);
        Assert.That(comparison.Difference(Moved(1, 3.0 / 1024), expected), Is.Null);
        Assert.That(comparison.Difference(Moved(1, 3.1 / 1024), expected), Is.Not.Null);

        Tensor Moved(int row, double by)
        {
            var moved = expected.clone();
            moved[row, 0] = by;
            return moved;
        }
    }

    [Test]
    public void Units_in_the_last_place_of_bfloat16_are_those_of_each_element()
    {
        using var scope = NewDisposeScope();
        var comparison = Comparison.Close() with { BFloat16Ulps = 1 };
        var expected = tensor(new float[] { 1, 256, 0 });
        Assert.That(comparison.Difference(tensor(new[] { 1.0078125f, 258, 0 }), expected), Is.Null);
        Assert.That(comparison.Difference(tensor(new[] { 1.0079f, 256, 0 }), expected), Is.Not.Null);
        Assert.That(comparison.Difference(tensor(new[] { 1f, 258.1f, 0 }), expected), Is.Not.Null);
        Assert.That(comparison.Difference(tensor(new[] { 1f, 256, 1e-30f }), expected), Is.Not.Null);
    }

    [Test]
    public void The_norm_of_all_differences_is_limited_beside_each_of_them()
    {
        using var scope = NewDisposeScope();
        var comparison = Comparison.Close(absolute: 1) with { RelativeNorm = 0.1 };
        var expected = tensor(new float[] { 6, 8 });
        Assert.That(comparison.Difference(tensor(new[] { 6.6f, 8.7f }), expected), Is.Null);
        Assert.That(comparison.Difference(tensor(new[] { 6.8f, 8.7f }), expected), Is.Not.Null);
        Assert.That(comparison.Difference(tensor(new[] { 7.1f, 8 }), expected), Is.Not.Null);
    }

    [Test]
    public void Masked_elements_are_not_compared()
    {
        using var scope = NewDisposeScope();
        var (expected, actual) = (tensor(new float[] { 1, 2, 3 }), tensor(new float[] { 1, 9, 3 }));
        Assert.That(Comparison.Exact.Difference(actual, expected, tensor(new byte[] { 1, 0, 1 })), Is.Null);
        Assert.That(Comparison.Exact.Difference(actual, expected, tensor(new byte[] { 1, 1, 0 })), Is.Not.Null);
    }

    [TestCase("exact")]
    [TestCase("value")]
    [TestCase("close")]
    [TestCase("codes")]
    public void Dtypes_and_shapes_must_be_equal(string kind)
    {
        using var scope = NewDisposeScope();
        var (comparison, expected) = (Comparison.OfKind(kind), ones(2, 3));
        Assert.That(comparison.Difference(ones(2, 3), expected), Is.Null);
        Assert.That(comparison.Difference(ones(3, 2), expected), Is.Not.Null);
        Assert.That(comparison.Difference(ones([2, 3], ScalarType.Float64), expected), Is.Not.Null);
    }

    [TestCase("""{"rule": "differs"}""")]
    [TestCase("""{"rule": "nearly"}""")]
    [TestCase("""{"rule": "close", "of": "trace"}""")]
    public void A_rule_that_compares_nothing_is_refused(string rule) =>
        Assert.That(() => Comparison.Of(JsonDocument.Parse(rule).RootElement), Throws.ArgumentException);
}
