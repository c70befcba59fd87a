using System.Text;
using NBit.Checkpoints;

namespace NBit.Tests.Checkpoints;

public sealed class SafetensorsHeaderTests
{
    [TestCaseSource(typeof(SafetensorsHeaderCases), nameof(SafetensorsHeaderCases.All))]
    public void A_malformed_file_is_refused_by_name_place_and_rule(object malformed)
    {
        var (_, bytes, message) = (MalformedFile)malformed;
        using var directory = new TemporaryDirectory();
        var path = directory.File("broken.safetensors", bytes);

        LiveTensors.AssertUnchangedBy(() =>
        {
            var error = Assert.Throws<SafetensorsFormatException>(() => SafetensorsReader.Open(path).Dispose());
            Assert.That(error!.Message, Does.StartWith($"{path}: "));
            foreach (var part in message)
            {
                Assert.That(error.Message, Does.Contain(part));
            }
        });
        File.Delete(path); // fails on Windows where the file was left open
    }

    [TestCase("no tensors", "{}", 0, ExpectedResult = "")]
    [TestCase("padding", "{}      ", 0, ExpectedResult = "")]
    [TestCase("metadata alone", """{"__metadata__":{}}""", 0, ExpectedResult = "")]
    [TestCase(
        "a scalar",
        """{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}""",
        8,
        ExpectedResult = "a F64 [] 0 8"
    )]
    [TestCase(
        "an empty tensor",
        """{"a":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]}}""",
        0,
        ExpectedResult = "a F32 [2, 0] 0 0"
    )]
    [TestCase(
        "the largest size",
        """{"a":{"dtype":"F4","shape":[9223372036854775807,0],"data_offsets":[0,0]}}""",
        0,
        ExpectedResult = "a F4 [9223372036854775807, 0] 0 0"
    )]
    [TestCase(
        "an empty name",
        """{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""",
        1,
        ExpectedResult = " U8 [1] 0 1"
    )]
    [TestCase(
        "escapes",
        """{"\u00e9\ud83d\ude00":{"\u0064type":"\u00558","shape":[1],"data_offsets":[0,1]}}""",
        1,
        ExpectedResult = "é😀 U8 [1] 0 1"
    )]
    [TestCase(
        "white space",
        "{\n\t\"a\" : {\r\n \"shape\":[ 1 ] , \"data_offsets\":[ 0,1 ],\"dtype\":\"U8\" } }  ",
        1,
        ExpectedResult = "a U8 [1] 0 1"
    )]
    [TestCase(
        "a pair of 4 bits",
        """{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}""",
        1,
        ExpectedResult = "a F4 [2] 0 1"
    )]
    [TestCase(
        "four of 6 bits",
        """{"a":{"dtype":"F6_E3M2","shape":[2,2],"data_offsets":[0,3]}}""",
        3,
        ExpectedResult = "a F6_E3M2 [2, 2] 0 3"
    )]
    [TestCase(
        "any order, empty ones between",
        """
            {"c":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},"e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},
            "a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"f":{"dtype":"U8","shape":[0],"data_offsets":[3,3]}}
            """,
        3,
        ExpectedResult = "a U8 [2] 0 2; e U8 [0] 2 2; c U8 [1] 2 3; f U8 [0] 3 3"
    )]
    public string A_header_gives_its_tensors_in_the_order_of_their_data(string name, string json, int dataLength)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        var header = SafetensorsHeader.Parse(bytes, dataLength);

        Assert.That(header.DataLength, Is.EqualTo(dataLength), name);
        Assert.That(header.DataOffset, Is.EqualTo(8 + bytes.Length), name);
        return string.Join("; ", header.Entries.Select(entry => $"{entry.Name} {entry} {entry.Begin} {entry.End}"));
    }

    [Test]
    public void Metadata_keeps_its_order_and_any_text()
    {
        var header = SafetensorsHeader.Parse("""{"__metadata__":{"z":"","a":"\"\\\n\u0000é","":"{}"}}"""u8, 0);

        var pairs = header.Metadata.Select(pair => (pair.Key, pair.Value));
        Assert.That(pairs, Is.EqualTo(new[] { ("z", ""), ("a", "\"\\\n\0é"), ("", "{}") }));
    }

    [Test]
    public void A_header_of_the_longest_length_allowed_is_read_and_one_byte_more_is_not()
    {
        var json = new byte[SafetensorsHeader.MaxLength + 1];
        json.AsSpan().Fill((byte)' ');
        "{}"u8.CopyTo(json);

        Assert.That(SafetensorsHeader.Parse(json.AsSpan(..^1), 0).Entries, Is.Empty);
        var error = Assert.Throws<SafetensorsFormatException>(() => SafetensorsHeader.Parse(json, 0));
        Assert.That(error!.Message, Does.Contain("100000001").And.Contain("100000000"));
    }

    [Test]
    public void What_a_header_claims_allocates_nothing([Values] bool claimsHeader)
    {
        var bytes = claimsHeader
            ? [.. BitConverter.GetBytes(99_999_999L), .. "{}"u8]
            : SafetensorsBytes.File("""{"a":{"dtype":"U8","shape":[4000000000],"data_offsets":[0,4000000000]}}""", 4);
        using var stream = new MemoryStream(bytes);
        Assert.Throws<SafetensorsFormatException>(() => SafetensorsHeader.Read(stream)); // compiles before the count

        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<SafetensorsFormatException>(() => SafetensorsHeader.Read(stream));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(100_000));
    }

    [Test]
    public void A_negative_amount_of_data_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => SafetensorsHeader.Parse("{}"u8, -1));

    [Test]
    public void A_header_that_is_cut_while_it_is_read_is_refused([Values(0, 7, 9)] int endsAt)
    {
        using var stream = new FaultyStream(SafetensorsBytes.File("{}", 0)) { EndsAt = endsAt };

        Assert.Throws<SafetensorsFormatException>(() => SafetensorsHeader.Read(stream));
    }

    [TestCase("layers.0.weigth", "near names are 'layers.0.weight'", TestName = "A missing name's typo is found")]
    [TestCase("model.layers.0.bias", "'layers.0.bias'", TestName = "A missing name's prefix is found")]
    [TestCase("x", "none of the 3 names is near", TestName = "A missing name without a near one says so")]
    public void A_missing_name_lists_near_ones(string name, string expected)
    {
        string[] names = ["layers.0.weight", "layers.1.weight", "layers.0.bias"];
        var json = SafetensorsBytes.Json(names.Select(key => SafetensorsBytes.Entry(key, "U8", "0", 0, 0)));
        var header = SafetensorsHeader.Parse(Encoding.UTF8.GetBytes(json), 0);

        Assert.That(header.TryGetEntry(name, out _), Is.False);
        var error = Assert.Throws<KeyNotFoundException>(() => header.GetEntry(name));
        Assert.That(error!.Message, Does.Contain($"'{name}'").And.Contain(expected));
    }

    [Test]
    public void A_long_name_is_cut_in_messages()
    {
        var name = new string('n', 1_000_000);
        var error = Assert.Throws<SafetensorsFormatException>(() =>
            SafetensorsHeader.Parse(Encoding.UTF8.GetBytes($$"""{"{{name}}":1}"""), 0)
        );

        Assert.That(error!.Message, Has.Length.LessThan(300));
    }
}
