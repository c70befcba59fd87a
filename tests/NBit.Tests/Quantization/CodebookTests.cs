using NBit.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>What codes stand for.</summary>
public sealed class CodebookTests : DisposeScopeFixture
{
    private static readonly Dictionary<string, Func<Codebook>> Maps = new(StringComparer.Ordinal)
    {
        ["dynamic"] = () => Codebook.Dynamic(),
        ["dynamic unsigned"] = () => Codebook.Dynamic(isSigned: false),
        ["dynamic, few bits"] = () => Codebook.Dynamic(isSigned: true, maxExponentBits: 3, totalBits: 6),
        ["linear"] = () => Codebook.Linear(),
        ["linear without 0"] = () => Codebook.Linear(addZero: false),
        ["linear unsigned"] = () => Codebook.Linear(isSigned: false),
        ["linear, 4 bits"] = () => Codebook.Linear(totalBits: 4),
        ["float8 5-2"] = () => Codebook.Float8(),
        ["float8 4-3"] = () => Codebook.Float8(exponentBits: 4, precisionBits: 3),
        ["float8 unsigned"] = () => Codebook.Float8(isSigned: false, exponentBits: 4, precisionBits: 4),
        ["float8, 4 bits"] = () => Codebook.Float8(exponentBits: 2, precisionBits: 1, totalBits: 4),
    };

    private static IEnumerable<string> MapNames() => Maps.Keys;

    [TestCaseSource(nameof(MapNames))]
    public void A_map_has_256_numbers_in_rising_order_up_to_1(string name)
    {
        var code = Maps[name]();
        Assert.That((code.Values.Length, code.Bits), Is.EqualTo((256, 8)));
        Assert.That(code.Values, Is.Ordered);
        Assert.That(code.Values[^1], Is.EqualTo(1f));
        Assert.That(
            code.Values[0],
            name.Contains("unsigned", StringComparison.Ordinal) ? Is.EqualTo(0f) : Is.LessThan(-0.9f)
        );
    }

    [Test]
    public void A_linear_map_is_evenly_spaced_and_has_a_zero()
    {
        var values = Codebook.Linear().Values;
        Assert.That(values, Has.Member(0f));
        Assert.That(values[255] - values[254], Is.EqualTo(1 / 127f).Within(1e-6));
        Assert.That(Codebook.Linear(addZero: false).Values.Distinct().Count(), Is.EqualTo(256));
    }

    [Test]
    public void Few_bits_use_few_codes([Values(2, 3, 5, 8)] int bits) =>
        Assert.That(
            Codebook.Linear(totalBits: bits).Values.Count(value => Math.Abs(value) > 1e-6),
            Is.EqualTo((1 << bits) - 2)
        );

    [Test]
    public void Four_bit_codes_have_16_numbers([Values] QuantType type)
    {
        var code = Codebook.OfType(type);
        Assert.That((code.Values.Length, code.Bits), Is.EqualTo((16, 4)));
        Assert.That((code.Values.Min(), code.Values.Max()), Is.EqualTo((-1f, 1f)));
        Assert.That(Codebook.AF4.Values, Is.Ordered.Descending);
    }

    [Test]
    public void A_tensor_of_known_numbers_gives_the_known_codebook()
    {
        foreach (var code in (Codebook[])[Codebook.NF4, Codebook.FP4, Codebook.DynamicSigned, Codebook.DynamicUnsigned])
        {
            Assert.That(Codebook.OfTensor(code.ToTensor()), Is.SameAs(code));
        }

        var own = Codebook.OfTensor(linspace(-1, 1, 256));
        Assert.That(own.Values, Is.Ordered);
        TensorAssert.Equal(own.ToTensor(), linspace(-1, 1, 256));
    }

    private static IEnumerable<TestCaseData> Refused()
    {
        yield return Case("15 values", () => Codebook.OfValues(new float[15]), "a codebook of 15 values; give 16");
        yield return Case("no values", () => Codebook.OfValues([]), "a codebook of 0 values");
        yield return Case("not rising", () => Codebook.OfValues([.. Enumerable.Range(0, 256).Select(i => -(float)i)]));
        yield return Case("NaN", () => Codebook.OfValues([.. Enumerable.Repeat(float.NaN, 256)]));
        yield return Case("float64", () => Codebook.OfTensor(zeros(16, ScalarType.Float64)), "must be Float32 [16]");
        yield return Case("matrix", () => Codebook.OfTensor(zeros(16, 16)), "a codebook is Float32 [16, 16]");
        yield return Case("no exponent", () => Codebook.Dynamic(maxExponentBits: 0), "allowed are 1 to 7");
        yield return Case("much exponent", () => Codebook.Dynamic(maxExponentBits: 8), "allowed are 1 to 7");
        yield return Case("9 bits", () => Codebook.Linear(totalBits: 9), "allowed are 2 to 8");
        yield return Case("1 bit", () => Codebook.Dynamic(totalBits: 1), "allowed are 2 to 8");
        yield return Case("bits", () => Codebook.Float8(exponentBits: 5, precisionBits: 3), "are 8 together");
        yield return Case("type", () => Codebook.OfType((QuantType)9), "allowed are FP4 and NF4");

        static TestCaseData Case(string name, Action call, string message = "") =>
            new TestCaseData(call, message).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Refused))]
    public void A_codebook_that_cannot_be_is_refused(Action call, string message)
    {
        var error = Assert.Catch<ArgumentException>(() => call());
        Assert.That(error!.Message, Does.Contain(message).And.Not.Empty);
    }
}
