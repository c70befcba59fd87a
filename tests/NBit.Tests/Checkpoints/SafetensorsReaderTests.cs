using System.IO.Compression;
using NBit.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

public sealed class SafetensorsReaderTests
{
    private static readonly byte[] TwoTensors = SafetensorsBytes.File(
        [SafetensorsBytes.Entry("a", "F32", "2,3", 0, 24), SafetensorsBytes.Entry("b", "F4", "4", 24, 26)],
        26
    );
    private static readonly byte[] Data = SafetensorsBytes.Pattern(26);

    [Test]
    public void A_tensor_has_the_file_s_bytes_however_the_stream_gives_them([Values(1, 7, 1 << 20)] int longestRead)
    {
        using var reader = SafetensorsReader.Open(new FaultyStream(TwoTensors) { LongestRead = longestRead });
        using var tensor = reader.Read("a");

        Assert.That(tensor.dtype, Is.EqualTo(ScalarType.Float32));
        Assert.That(tensor.shape, Is.EqualTo(new long[] { 2, 3 }));
        Assert.That(tensor.device_type, Is.EqualTo(DeviceType.CPU));
        Assert.That(SafetensorsBytes.Of(tensor), Is.EqualTo(Data[..24]));
        Assert.That(reader.ReadBytes("a"), Is.EqualTo(Data[..24]));
        Assert.That(reader.ReadBytes("b"), Is.EqualTo(Data[24..]));
    }

    [Test]
    public void Read_gives_the_caller_one_tensor_and_leaves_no_other()
    {
        using var reader = SafetensorsReader.Open(new MemoryStream(TwoTensors));
        LiveTensors.AssertUnchangedBy(() => reader.Read("a").Dispose());

        using var scope = NewDisposeScope();
        using var tensor = reader.Read("a");
        Assert.That(scope.DisposablesCount, Is.EqualTo(1));
    }

    [Test]
    public void ReadInto_fills_the_tensor_that_is_there()
    {
        using var reader = SafetensorsReader.Open(new MemoryStream(TwoTensors));
        using var target = zeros(2, 3, requires_grad: true);
        using var alias = target.detach();

        LiveTensors.AssertUnchangedBy(() => reader.ReadInto("a", target));

        Assert.That(SafetensorsBytes.Of(alias), Is.EqualTo(Data[..24]), "the same memory was filled");
        Assert.That(target.requires_grad, Is.True);
    }

    private static IEnumerable<TestCaseData> WrongTargets()
    {
        yield return new TestCaseData(() => zeros(2, 3, float64), "Float64").SetArgDisplayNames("dtype");
        yield return new TestCaseData(() => zeros(3, 2), "[3, 2]").SetArgDisplayNames("shape");
        yield return new TestCaseData(() => zeros(6), "[6]").SetArgDisplayNames("rank");
        yield return new TestCaseData(() => zeros(3, 2).t(), "contiguous").SetArgDisplayNames("strides");
        yield return new TestCaseData(() => zeros(2, 3).to_sparse(), "dense").SetArgDisplayNames("layout");
        yield return new TestCaseData(() => zeros(2, 3, device: META), "CPU").SetArgDisplayNames("device");
    }

    [TestCaseSource(nameof(WrongTargets))]
    public void ReadInto_refuses_a_target_that_does_not_match(Func<Tensor> create, string expected)
    {
        using var scope = NewDisposeScope();
        using var reader = SafetensorsReader.Open(new MemoryStream(TwoTensors));
        using var target = create();

        LiveTensors.AssertUnchangedBy(() =>
        {
            var error = Assert.Throws<ArgumentException>(() => reader.ReadInto("a", target));
            Assert.That(error!.Message, Does.Contain("'a'").And.Contain(expected));
        });
        if (!target.is_meta && !target.is_sparse)
        {
            Assert.That(target.count_nonzero().item<long>(), Is.Zero, "nothing was changed");
        }
    }

    [Test]
    public void A_type_that_libtorch_lacks_is_refused_and_named()
    {
        using var reader = SafetensorsReader.Open(new MemoryStream(TwoTensors));
        using var target = zeros(2, uint8);

        var error = Assert.Throws<NotSupportedException>(() => reader.Read("b").Dispose());
        Assert.That(error!.Message, Does.Contain("'b' is F4 [4]").And.Contain("ReadBytes"));
        Assert.Throws<ArgumentException>(() => reader.ReadInto("b", target));
    }

    [Test]
    public void A_missing_name_is_refused_by_every_way_to_read()
    {
        using var reader = SafetensorsReader.Open(new MemoryStream(TwoTensors));
        using var target = zeros(2, 3);

        Assert.Throws<KeyNotFoundException>(() => reader.Read("A").Dispose());
        Assert.Throws<KeyNotFoundException>(() => reader.ReadInto("A", target));
        Assert.Throws<KeyNotFoundException>(() => reader.ReadBytes("A"));
        Assert.Throws<KeyNotFoundException>(() => reader.ReadBytes("A", 0, []));
    }

    [Test]
    public void A_part_is_read_from_where_it_lies([Values(0, 1, 23)] int offset, [Values(0, 1)] int length)
    {
        using var reader = SafetensorsReader.Open(new MemoryStream(TwoTensors));
        var part = new byte[length];

        reader.ReadBytes("a", offset, part);

        Assert.That(part, Is.EqualTo(Data[offset..(offset + length)]));
    }

    [TestCase(-1, 1)]
    [TestCase(24, 1)]
    [TestCase(0, 25)]
    [TestCase(long.MaxValue, 1)]
    public void A_part_outside_the_tensor_is_refused(long offset, int length)
    {
        using var reader = SafetensorsReader.Open(new MemoryStream(TwoTensors));

        var error = Assert.Throws<ArgumentOutOfRangeException>(() => reader.ReadBytes("a", offset, new byte[length]));
        Assert.That(error!.Message, Does.Contain($"{length} bytes from {offset}").And.Contain("'a' has 24"));
    }

    [Test]
    public void A_file_that_was_cut_after_opening_is_noticed_before_anything_changes()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("cut.safetensors", TwoTensors);
        using var reader = SafetensorsReader.Open(path);
        using var target = zeros(2, 3);
        const FileShare share = FileShare.ReadWrite | FileShare.Delete;
        using (var other = new FileStream(path, FileMode.Open, FileAccess.Write, share))
        {
            other.SetLength(TwoTensors.Length - 3);
        }

        Action[] reads =
        [
            () => reader.Read("a").Dispose(),
            () => reader.ReadInto("a", target),
            () => reader.ReadBytes("a"),
        ];

        LiveTensors.AssertUnchangedBy(() =>
        {
            foreach (var read in reads)
            {
                var error = Assert.Throws<SafetensorsFormatException>(() => read());
                Assert.That(error!.Message, Does.StartWith(path).And.Contain("'a'"));
                Assert.That(error.Message, Does.Contain($"now has {TwoTensors.Length - 3}"));
            }
        });
        Assert.That(target.count_nonzero().item<long>(), Is.Zero);
    }

    [Test]
    public void A_file_that_is_cut_or_fails_while_a_tensor_is_read_leaves_no_tensor([Values] bool fails)
    {
        using var stream = new FaultyStream(TwoTensors) { LongestRead = 5 };
        using var reader = SafetensorsReader.Open(stream);
        stream.EndsAt = fails ? long.MaxValue : TwoTensors.Length - 10;
        stream.FailsAt = fails ? TwoTensors.Length - 10 : long.MaxValue;

        LiveTensors.AssertUnchangedBy(() =>
            Assert.That(
                () => reader.Read("a").Dispose(),
                fails ? Throws.InstanceOf<IOException>() : Throws.InstanceOf<SafetensorsFormatException>()
            )
        );
    }

    [Test]
    public void A_stream_is_closed_with_the_reader_unless_it_is_left_open([Values] bool leaveOpen)
    {
        using var stream = new MemoryStream(TwoTensors);
        var reader = SafetensorsReader.Open(stream, leaveOpen);
        using var target = zeros(2, 3);

        reader.Dispose();
        reader.Dispose();

        Assert.That(stream.CanRead, Is.EqualTo(leaveOpen));
        Assert.That(reader.Header.Entries, Has.Count.EqualTo(2));
        Assert.Throws<ObjectDisposedException>(() => reader.Read("a").Dispose());
        Assert.Throws<ObjectDisposedException>(() => reader.ReadInto("a", target));
        Assert.Throws<ObjectDisposedException>(() => reader.ReadBytes("a"));
    }

    [Test]
    public void A_stream_that_cannot_seek_is_refused()
    {
        using var stream = new DeflateStream(new MemoryStream(), CompressionMode.Decompress);

        var error = Assert.Throws<ArgumentException>(() => SafetensorsReader.Open(stream));
        Assert.That(error!.Message, Does.Contain("seek"));
    }

    [Test]
    public void A_missing_file_is_named()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("none.safetensors");

        var error = Assert.Throws<FileNotFoundException>(() => SafetensorsReader.Open(path));
        Assert.That(error!.Message, Does.Contain(path));
    }

    [Test]
    public void Offsets_beyond_4_GB_are_reached()
    {
        const long large = 5_000_000_000;
        using var directory = new TemporaryDirectory();
        var path = directory.File(
            "sparse.safetensors",
            SafetensorsBytes.File([
                SafetensorsBytes.Entry("large", "U8", $"{large}", 0, large),
                SafetensorsBytes.Entry("small", "I32", "2", large, large + 8),
            ])
        );
        using (var file = new FileStream(path, FileMode.Open))
        {
            file.Position = file.Length + large - 1; // the file system keeps the hole as a hole
            file.Write([7, 1, 0, 0, 0, 2, 0, 0, 0]);
        }

        using var reader = SafetensorsReader.Open(path);
        using var small = reader.Read("small");
        Assert.That(small.data<int>().ToArray(), Is.EqualTo(new[] { 1, 2 }));

        var part = new byte[2];
        reader.ReadBytes("large", large - 2, part);
        Assert.That(part, Is.EqualTo(new byte[] { 0, 7 }));

        var error = Assert.Throws<NotSupportedException>(() => reader.ReadBytes("large"));
        Assert.That(error!.Message, Does.Contain("5000000000"));
    }
}
