using NBit.Checkpoints;

namespace NBit.Tests.Checkpoints;

/// <summary>Indexes of shards that are wrong, or whose shards are.</summary>
public sealed class ShardIndexTests
{
    private const string Shard = "shard.safetensors";

    private static IEnumerable<TestCaseData> Malformed()
    {
        yield return Case("{", "invalid JSON", "invalid");
        yield return Case("[]", "no 'weight_map'", "array");
        yield return Case("{}", "no 'weight_map'", "empty");
        yield return Case("""{"weight_map":[]}""", "'weight_map' is JSON Array", "map is an array");
        yield return Case("""{"weight_map":{"a":1}}""", "'a' is JSON Number", "number");
        yield return Case(
            $$$"""{"weight_map":{"a":"{{{Shard}}}","a":"{{{Shard}}}"}}""",
            "invalid JSON",
            "duplicate tensor"
        );
        yield return Case($$$"""{"weight_map":{"a":"{{{Shard}}}"},"weight_map":{}}""", "invalid JSON", "duplicate map");
        yield return Case($$$"""{"weight_map":{"a":"{{{Shard}}}"},"metadata":3}""", "'metadata' is JSON", "metadata");
        yield return Case("""{"weight_map":{"\ud800":"x.safetensors"}}""", "half of a surrogate pair", "half a name");
        yield return Case("""{"weight_map":{"a":"\udc00.safetensors"}}""", "half of a surrogate pair", "half a shard");
        yield return Case(
            $$$"""{"weight_map":{"a":"{{{Shard}}}"},"metadata":{"x":"\ud800"}}""",
            "half of a surrogate pair",
            "half a text"
        );
        yield return Case("""{"weight_map":{"a":"index.json"}}""", "not an index", "cycle");
        yield return Case("""{"weight_map":{"a":"x.bin"}}""", "a shard is a *.safetensors file", "other format");
        yield return Case("""{"weight_map":{"a":"../x.safetensors"}}""", "outside the index's folder", "parent");
        yield return Case("""{"weight_map":{"a":"/etc/x.safetensors"}}""", "outside the index's folder", "absolute");
        yield return Case("""{"weight_map":{"a":"sub/x.safetensors"}}""", "outside the index's folder", "below");
        yield return Case("""{"weight_map":{"a":"x\u0000.safetensors"}}""", "a shard is a *.safetensors file", "nul");
        yield return Case(
            $$$"""{"weight_map":{"z":"{{{Shard}}}"}}""",
            "'z' is said to be in 'shard.safetensors'",
            "lacks"
        );

        static TestCaseData Case(string json, string expected, string name) =>
            new TestCaseData(json, expected).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Malformed))]
    public void A_wrong_index_is_refused_and_names_itself(string json, string expected)
    {
        using var directory = WithShard();
        var path = directory.File("index.json");
        File.WriteAllText(path, json);

        var error = Assert.Throws<SafetensorsFormatException>(() => TensorSource.Open(path));
        Assert.That(error!.Message, Does.StartWith(path).And.Contain(expected));
    }

    [Test]
    public void Missing_shards_are_counted_and_one_is_named()
    {
        using var directory = WithShard();
        var path = directory.File("index.json");
        File.WriteAllText(path, $$$"""{"weight_map":{"a":"{{{Shard}}}","b":"x.safetensors","c":"y.safetensors"}}""");

        var error = Assert.Throws<FileNotFoundException>(() => TensorSource.Open(path));
        Assert.That(error!.Message, Does.Contain(path).And.Contain("2 of 3 shards").And.Contain("'x.safetensors'"));
        Assert.That(error.FileName, Is.EqualTo(directory.File("x.safetensors")));
    }

    [Test]
    public void A_broken_shard_is_named_and_the_others_are_closed()
    {
        using var directory = WithShard();
        directory.File("broken.safetensors", [1, 2, 3]);
        var path = directory.File("index.json");
        File.WriteAllText(path, $$$"""{"weight_map":{"a":"{{{Shard}}}","b":"broken.safetensors"}}""");

        var error = Assert.Throws<SafetensorsFormatException>(() => TensorSource.Open(path));
        Assert.That(error!.Message, Does.StartWith(directory.File("broken.safetensors")));
        Assert.That(OpenFiles(directory.Path), Is.Empty);
    }

    [Test]
    public void Two_spellings_of_a_name_are_one_shard_and_tensors_that_the_index_leaves_out_are_not_there()
    {
        using var directory = WithShard();
        var path = directory.File("index.json");
        File.WriteAllText(path, $$$"""{"metadata":{"total_size":2},"weight_map":{"a":"./{{{Shard}}}"}}""");

        using var source = TensorSource.Open(path);
        Assert.That(source.Names, Is.EqualTo(new[] { "a" }));
        Assert.That(source.Metadata["total_size"], Is.EqualTo("2"));
        Assert.Throws<KeyNotFoundException>(() => source.ReadBytes("b"));
        Assert.That(OpenFiles(directory.Path), Is.EqualTo(new[] { directory.File(Shard) }));
    }

    private static TemporaryDirectory WithShard()
    {
        var directory = new TemporaryDirectory();
        string[] entries = [SafetensorsBytes.Entry("a", "U8", "2", 0, 2), SafetensorsBytes.Entry("b", "U8", "2", 2, 4)];
        directory.File(Shard, SafetensorsBytes.File(entries, 4));
        return directory;
    }

    private static string[] OpenFiles(string folder) =>
        [
            .. Directory
                .EnumerateFiles("/proc/self/fd")
                .Select(link => new FileInfo(link).LinkTarget)
                .OfType<string>()
                .Where(target => target.StartsWith(folder, StringComparison.Ordinal)),
        ];
}
