using CsCheck;
using NBit.Training.Callbacks;

namespace NBit.Tests.Training.Callbacks;

public sealed class CsvTests
{
    [TestCase("a,b\n", new[] { "a", "b" })]
    [TestCase(",\n", new[] { "", "" })]
    [TestCase("\"a,b\",\"c\"\"d\"\n", new[] { "a,b", "c\"d" })]
    [TestCase("\"two\nlines\",x\n", new[] { "two\nlines", "x" })]
    public void A_record_is_written_and_read(string text, string[] fields)
    {
        Assert.That(Csv.Record(fields), Is.EqualTo(text));
        Assert.That(Csv.Parse(text), Is.EqualTo(new[] { fields }));
    }

    [Test]
    public void Any_fields_are_read_as_they_were_written() =>
        Gen.OneOf(Gen.String, Gen.String["a,\"\n\r "])
            .Array[1, 5]
            .Array[0, 5]
            .Sample(records =>
                Csv.Parse(string.Concat(records.Select(Csv.Record)))
                    .Zip(records)
                    .All(pair => pair.First.SequenceEqual(pair.Second, StringComparer.Ordinal))
            );

    [Test]
    public void A_record_that_was_cut_short_is_left_out()
    {
        Assert.That(Csv.Parse("a,b\nc,"), Is.EqualTo(new[] { new[] { "a", "b" } }));
        Assert.That(Csv.Parse("a,b\nc,\"d\n"), Is.EqualTo(new[] { new[] { "a", "b" } }));
        Assert.That(Csv.Parse(""), Is.Empty);
    }
}
