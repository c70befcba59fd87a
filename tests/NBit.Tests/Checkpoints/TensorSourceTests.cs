using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

/// <summary>What holds for a file, the shards of an index, and a folder alike.</summary>
public sealed class TensorSourceTests
{
    private static readonly float[] Values = [.. Enumerable.Range(0, 12).Select(i => i / 4f)];

    [Test]
    public void A_file_an_index_and_their_folders_hold_the_same_tensors(
        [Values("file", "folder of a file", "index", "folder of an index", "folder of a file of another name")]
            string form
    )
    {
        using var directory = new TemporaryDirectory();
        using var source = TensorSource.Open(Create(directory, form));
        using var tensor = source.Read("a");
        using var target = zeros(2, int64);
        source.ReadInto("b", target);

        Assert.That(source.Names, Is.EquivalentTo(new[] { "a", "b" }));
        Assert.That(source.Entries.Single(entry => entry.Name == "a").ToString(), Is.EqualTo("F32 [3, 4]"));
        Assert.That(source.GetEntry("b").DataType, Is.EqualTo(SafetensorsDataType.Int64));
        Assert.That(tensor.data<float>().ToArray(), Is.EqualTo(Values));
        Assert.That(target.data<long>().ToArray(), Is.EqualTo(new long[] { 5, 6 }));
        Assert.That(source.ReadBytes("b")[0], Is.EqualTo(5));
        Assert.That(source.TryGetEntry("c", out _), Is.False);
        var error = Assert.Throws<KeyNotFoundException>(() => source.Read("aa").Dispose());
        Assert.That(error!.Message, Does.Contain("'aa'").And.Contain("'a'"));
    }

    [Test]
    public void A_folder_without_tensors_says_what_it_holds(
        [Values(null, "pytorch_model.bin", "notes.txt")] string? other
    )
    {
        using var directory = new TemporaryDirectory();
        if (other is not null)
        {
            directory.File(other, [1]);
        }

        var error = Assert.Throws<FileNotFoundException>(() => TensorSource.Open(directory.Path));

        Assert.That(error!.Message, Does.Contain(directory.Path).And.Contain("model.safetensors.index.json"));
        Assert.That(
            error.Message.Contains("convert it", StringComparison.Ordinal),
            Is.EqualTo(other == "pytorch_model.bin")
        );
    }

    [Test]
    public void A_folder_with_several_files_and_no_index_is_refused()
    {
        using var directory = new TemporaryDirectory();
        Save(directory.File("x.safetensors"), "a");
        Save(directory.File("y.safetensors"), "b");

        var error = Assert.Throws<FileNotFoundException>(() => TensorSource.Open(directory.Path));
        Assert.That(error!.Message, Does.Contain("2 other ones").And.Contain("give the path"));
    }

    [Test]
    public void A_header_of_4_GB_is_refused_without_allocating_it()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("huge.safetensors", [0xf0, 0xff, 0xff, 0xff, 0, 0, 0, 0, (byte)'{']);
        using (var file = new FileStream(path, FileMode.Open))
        {
            file.SetLength(5L << 30); // a hole: the header that is claimed is there
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<SafetensorsFormatException>(() => TensorSource.Open(path));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(error!.Message, Does.Contain("4294967280").And.Contain("100000000"));
    }

    [Test]
    public void Tensors_are_converted_piece_by_piece(
        [Values(ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64)] ScalarType from,
        [Values(ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64)] ScalarType to
    )
    {
        using var scope = NewDisposeScope();
        using var directory = new TemporaryDirectory();
        var numbers = arange(700 * 1001, dtype: float64).remainder(1000) / 1000; // several pieces
        var tensor = numbers.to(from).reshape(700, 1001);
        SafetensorsWriter.Save(directory.File("x.safetensors"), [("w", tensor)]);
        using var source = TensorSource.Open(directory.File("x.safetensors"));
        var target = zeros(700, 1001, to).requires_grad_();

        LiveTensors.AssertUnchangedBy(() => source.ConvertInto("w", target));

        Assert.That(target.eq(tensor.to(to)).all().item<bool>(), Is.True);
        Assert.That(target.requires_grad && target.is_leaf, Is.True);
    }

    private static IEnumerable<TestCaseData> UnfitTargets()
    {
        yield return new TestCaseData(() => zeros(4, 3)).SetArgDisplayNames("shape");
        yield return new TestCaseData(() => zeros(4, 3).t()).SetArgDisplayNames("strides");
        yield return new TestCaseData(() => zeros(3, 4, device: META)).SetArgDisplayNames("meta");
    }

    [TestCaseSource(nameof(UnfitTargets))]
    public void A_target_that_does_not_fit_is_refused(Func<Tensor> create)
    {
        using var scope = NewDisposeScope();
        using var directory = new TemporaryDirectory();
        using var source = TensorSource.Open(Create(directory, "file"));
        var target = create();

        var error = Assert.Throws<ArgumentException>(() => source.ConvertInto("a", target));
        Assert.That(error!.Message, Does.Contain("'a' is F32 [3, 4]").And.Contain("same shape"));
    }

    [Test]
    public void Several_threads_read_at_once([Values("file", "index", "stream")] string form)
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("x.safetensors");
        var expected = Enumerable.Range(0, 64).Select(i => SafetensorsBytes.Pattern(1000 + (i * 37))).ToArray();
        using (var scope = NewDisposeScope())
        {
            SafetensorsWriter.Save(
                path,
                expected.Select(
                    (bytes, i) => ($"t{i}", SafetensorsBytes.Tensor(ScalarType.Byte, [bytes.Length], bytes))
                )
            );
        }

        if (form == "index")
        {
            var names = Enumerable.Range(0, 64).Select(i => $"\"t{i}\":\"x.safetensors\"");
            File.WriteAllText(directory.File("i.json"), $$$"""{"weight_map":{{{{string.Join(',', names)}}}}}""");
            path = directory.File("i.json");
        }

        using var source =
            form == "stream"
                ? SafetensorsReader.Open(new MemoryStream(File.ReadAllBytes(path)))
                : TensorSource.Open(path);
        Parallel.For(
            0,
            2000,
            new ParallelOptions { MaxDegreeOfParallelism = 4 },
            number =>
            {
                var bytes = source.ReadBytes($"t{number % 64}");
                Assert.That(bytes.AsSpan().SequenceEqual(expected[number % 64]), Is.True);
            }
        );
    }

    private static string Create(TemporaryDirectory directory, string form)
    {
        switch (form)
        {
            case "file":
            case "folder of a file":
                Save(directory.File("model.safetensors"), "a", "b");
                return form == "file" ? directory.File("model.safetensors") : directory.Path;
            case "folder of a file of another name":
                Save(directory.File("adapter.safetensors"), "a", "b");
                return directory.Path;
            default:
                Save(directory.File("model-00001-of-00002.safetensors"), "b");
                Save(directory.File("model-00002-of-00002.safetensors"), "a");
                File.WriteAllText(
                    directory.File("model.safetensors.index.json"),
                    """
                    {"metadata": {"total_size": 64},
                     "weight_map": {"a": "model-00002-of-00002.safetensors", "b": "model-00001-of-00002.safetensors"}}
                    """
                );
                return form == "index" ? directory.File("model.safetensors.index.json") : directory.Path;
        }
    }

    private static void Save(string path, params string[] names)
    {
        using var scope = NewDisposeScope();
        SafetensorsWriter.Save(
            path,
            names.Select(name => (name, name == "a" ? tensor(Values).reshape(3, 4) : tensor(new long[] { 5, 6 })))
        );
    }
}
