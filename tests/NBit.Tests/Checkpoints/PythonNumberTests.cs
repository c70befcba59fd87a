using NBit.Checkpoints;

namespace NBit.Tests.Checkpoints;

/// <summary>Numbers as Python's repr() writes them (CPython 3).</summary>
public sealed class PythonNumberTests
{
    [TestCase(0.0, "0.0")]
    [TestCase(-0.0, "-0.0")]
    [TestCase(1.0, "1.0")]
    [TestCase(-1.5, "-1.5")]
    [TestCase(0.1, "0.1")]
    [TestCase(100.0, "100.0")]
    [TestCase(0.3333333333333333, "0.3333333333333333")]
    [TestCase(123456.789, "123456.789")]
    [TestCase(0.0001, "0.0001")]
    [TestCase(0.00012345, "0.00012345")]
    [TestCase(1e-05, "1e-05")]
    [TestCase(1e-07, "1e-07")]
    [TestCase(-2.5e-10, "-2.5e-10")]
    [TestCase(1e15, "1000000000000000.0")]
    [TestCase(1234567890123456.8, "1234567890123456.8")]
    [TestCase(9999999999999998.0, "9999999999999998.0")]
    [TestCase(1e16, "1e+16")]
    [TestCase(123456789012345680.0, "1.2345678901234568e+17")]
    [TestCase(1e22, "1e+22")]
    [TestCase(1e100, "1e+100")]
    [TestCase(5e-324, "5e-324")]
    [TestCase(2.2250738585072014e-308, "2.2250738585072014e-308")]
    [TestCase(1.7976931348623157e308, "1.7976931348623157e+308")]
    [TestCase(0.129354327917099, "0.129354327917099")]
    [TestCase((double)0.1f, "0.10000000149011612")]
    [TestCase(double.NaN, "NaN", Description = "as json.dumps has it")]
    [TestCase(double.PositiveInfinity, "Infinity")]
    [TestCase(double.NegativeInfinity, "-Infinity")]
    public void A_number_is_written_as_Python_does(double value, string expected) =>
        Assert.That(PythonNumber.Repr(value), Is.EqualTo(expected));

    [Test]
    public void What_is_written_reads_back()
    {
        var random = new Random(1);
        for (var i = 0; i < 5000; i++)
        {
            var value = BitConverter.Int64BitsToDouble(random.NextInt64());
            if (double.IsFinite(value))
            {
                var text = PythonNumber.Repr(value);
                Assert.That(
                    double.Parse(text, System.Globalization.CultureInfo.InvariantCulture),
                    Is.EqualTo(value),
                    text
                );
            }
        }
    }
}
