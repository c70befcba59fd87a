using System.Text;
using NBit.Checkpoints;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

/// <summary>The packed quant_state of 4-bit weights.</summary>
public sealed class QuantStateJsonTests
{
    private const string Plain = """{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [3, 5]}""";
    private const string Nested =
        """{"quant_type": "fp4", "blocksize": 128, "dtype": "float32", "shape": [8, 64]"""
        + """, "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.129354327917099}""";

    [TestCase(Plain)]
    [TestCase(Nested)]
    public void What_is_read_is_written_byte_for_byte(string json) =>
        Assert.That(Encoding.UTF8.GetString(Parse(json).ToBytes()), Is.EqualTo(json));

    [Test]
    public void Fields_come_in_any_order_and_spacing()
    {
        var state = Parse("""{ "shape":[3,5],"dtype":"bfloat16","quant_type":"nf4",  "blocksize":64 }""");
        Assert.That(
            (state.QuantType, state.Blocksize, state.DataType, state.NestedBlocksize, state.NestedOffset),
            Is.EqualTo((QuantType.NF4, 64, ScalarType.BFloat16, default(int?), default(double?)))
        );
        Assert.That(state.Shape, Is.EqualTo(new long[] { 3, 5 }));
    }

    private static IEnumerable<TestCaseData> Malformed()
    {
        yield return Case("empty", "");
        yield return Case("no object", "[1, 2]");
        yield return Case("text", "\"nf4\"");
        yield return Case("NaN", Nested.Replace("0.129354327917099", "NaN", StringComparison.Ordinal));
        yield return Case("trailing text", Plain + "x");
        yield return Case("no UTF-8", Plain.Replace("nf4", "\ud800", StringComparison.Ordinal), "");
        foreach (var length in Enumerable.Range(0, Plain.Length))
        {
            yield return Case($"cut after {length}", Plain[..length]);
        }

        foreach (
            var field in (string[])["quant_type", "blocksize", "dtype", "shape", "nested_blocksize", "nested_dtype"]
        )
        {
            var source = field.StartsWith("nested", StringComparison.Ordinal) ? Nested : Plain;
            yield return Change(
                source,
                $"another name than {field}",
                $"\"{field}\"",
                $"\"{field}2\"",
                "it has the fields"
            );
        }

        yield return Change(Plain, "another field", "{", "{\"version\": 2, ", "a state of this version has");
        yield return Change(
            Plain,
            "a field twice",
            "\"dtype\": \"bfloat16\"",
            "\"blocksize\": 64",
            "it has the fields"
        );
        yield return Change(Plain, "half nested", "\"shape\"", "\"nested_offset\": 1, \"shape\"", "it has the fields");
        yield return Change(Plain, "quant_type", "nf4", "int4", "quant_type is 'int4'; allowed are nf4, fp4");
        yield return Change(Plain, "quant_type is a number", "\"nf4\"", "4", "");
        yield return Change(Plain, "dtype", "bfloat16", "float64", "dtype is 'float64'");
        foreach (var size in (string[])["0", "-64", "48", "8192", "64.5", "1e99", "null", "\"64\"", "true"])
        {
            yield return Change(Plain, $"blocksize {size}", ": 64", ": " + size, "");
        }

        foreach (var shape in (string[])["-3, 5", "1.5, 2", "\"3\", 5", "9223372036854775807, 9", "[3], 5", "null, 5"])
        {
            yield return Change(Plain, $"shape {shape}", "3, 5", shape, "");
        }

        yield return Change(Plain, "shape is a number", "[3, 5]", "15", "");
        yield return Change(
            Nested,
            "nested_dtype",
            "\"nested_dtype\": \"float32\"",
            "\"nested_dtype\": \"float16\"",
            ""
        );
        yield return Change(Nested, "nested_offset", "0.129354327917099", "1e39", "it must be a float32 number");
        yield return Change(Nested, "nested_offset is text", "0.129354327917099", "\"0\"", "");
        yield return Change(Nested, "nested_blocksize", "256", "100", "nested_blocksize is 100");

        static TestCaseData Change(string source, string name, string from, string to, string message) =>
            Case(name, source.Replace(from, to, StringComparison.Ordinal), message);

        static TestCaseData Case(string name, string json, string message = "it is no JSON object") =>
            new TestCaseData(json, message).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Malformed))]
    public void What_is_no_state_of_this_version_is_a_format_error(string json, string message)
    {
        var error = Assert.Catch<FormatException>(() => Parse(json));
        Assert.That(error!.Message, Does.Contain(message).And.Not.Empty);
    }

    [Test]
    public void Changed_bytes_are_read_or_refused_and_never_break()
    {
        var random = new Random(1);
        int seen = 0,
            refused = 0;
        for (var i = 0; i < 5000; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(Nested);
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            try
            {
                seen += QuantStateJson.Parse(bytes).Shape.Count;
            }
            catch (FormatException) // any other exception fails the test
            {
                refused++;
            }
        }

        Assert.That(Math.Min(seen, refused), Is.Positive, "both happen");
    }

    private static QuantStateJson Parse(string json) => QuantStateJson.Parse(Encoding.UTF8.GetBytes(json));
}
