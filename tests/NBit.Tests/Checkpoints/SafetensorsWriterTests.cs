using System.Numerics;
using System.Text;
using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

public sealed class SafetensorsWriterTests
{
    private static IEnumerable<SafetensorsDataType> TypesOfLibtorch() =>
        Enum.GetValues<SafetensorsDataType>().Where(type => type.ToScalarType() is not null);

    [Test]
    public void Every_type_of_libtorch_s_is_saved_and_read_bit_for_bit(
        [ValueSource(nameof(TypesOfLibtorch))] SafetensorsDataType type,
        [Values(new long[] { 3, 5 }, new long[] { }, new long[] { 2, 0 })] long[] shape
    )
    {
        var count = (int)shape.Aggregate(1L, (product, size) => product * size) * type.BitsPerElement() / 8;
        var mask = type == SafetensorsDataType.Bool ? 1 : 0xff;
        var bytes = SafetensorsBytes.Pattern(count).Select(value => (byte)(value & mask)).ToArray();
        using var directory = new TemporaryDirectory();
        var path = directory.File("model.safetensors");
        using var tensor = SafetensorsBytes.Tensor(type.ToScalarType()!.Value, shape, bytes);

        LiveTensors.AssertUnchangedBy(() =>
        {
            SafetensorsWriter.Save(path, [("name", tensor)]);
            using var reader = SafetensorsReader.Open(path);
            using var read = reader.Read("name");
            Assert.That(read.dtype, Is.EqualTo(type.ToScalarType()));
            Assert.That(read.shape, Is.EqualTo(shape));
            Assert.That(SafetensorsBytes.Of(read), Is.EqualTo(bytes));
            Assert.That(File.ReadAllBytes(path)[^count..], Is.EqualTo(bytes));
        });
    }

    [Test]
    public void A_header_has_the_bytes_of_the_reference_implementation()
    {
        const string name = "é\"\\\u0001\b\f\n\r\t\u007f";
        const string escaped = "é\\\"\\\\\\u0001\\b\\f\\n\\r\\t\u007f";
        using var a = zeros(1, 2, 3, uint8);
        using var b = zeros(2, 2, float32);

        Assert.That(
            Header([(name, a), ("b", b)], [new("format", "pt"), new("a", "/")]),
            Is.EqualTo(
                """{"__metadata__":{"format":"pt","a":"/"},"b":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"""
                    + $"\"{escaped}\":"
                    + """{"dtype":"U8","shape":[1,2,3],"data_offsets":[16,22]}}"""
            )
        );
        Assert.That(Header([], []), Is.EqualTo("{}      "));
    }

    [Test]
    public void Tensors_are_sorted_by_type_and_then_by_their_names_bytes()
    {
        using var narrow = zeros(1, uint8);
        using var wide = zeros(1, int64);
        using var buffer = new MemoryStream();

        // In UTF-16 the surrogates of 😀 would come before ～.
        SafetensorsWriter.Write(buffer, [("a", narrow), ("😀", wide), ("～", wide), ("aa", wide), ("B", wide)]);
        using var reader = SafetensorsReader.Open(buffer);

        Assert.That(
            reader.Header.Entries.Select(entry => entry.Name),
            Is.EqualTo(new[] { "B", "aa", "～", "😀", "a" })
        );
    }

    [Test]
    public void A_tensor_of_many_chunks_is_saved_and_read_whole()
    {
        using var tensor = arange(5_000_001, int64); // 40 MB and 8 bytes
        using var buffer = new MemoryStream();

        LiveTensors.AssertUnchangedBy(() =>
        {
            SafetensorsWriter.Write(buffer, [("name", tensor)]);
            using var reader = SafetensorsReader.Open(buffer, leaveOpen: true);
            using var read = reader.Read("name");
            using var equal = read.eq(tensor);
            using var all = equal.all();
            Assert.That(all.item<bool>(), Is.True);
        });
    }

    [Test]
    [Explicit("takes 4.4 GB of memory, 2.2 GB of disk and some seconds")]
    public void A_tensor_above_2_GB_is_saved_and_read_whole()
    {
        const long count = 275_000_000;
        using var directory = new TemporaryDirectory();
        using var tensor = arange(count, int64);

        SafetensorsWriter.Save(directory.File("large.safetensors"), [("name", tensor)]);
        using var reader = SafetensorsReader.Open(directory.File("large.safetensors"));
        using var read = reader.Read("name");

        Assert.That(reader.Header.DataLength, Is.EqualTo(8 * count).And.GreaterThan(int.MaxValue));
        tensor.sub_(read);
        Assert.That(tensor.count_nonzero().item<long>(), Is.Zero);
    }

    private static IEnumerable<TestCaseData> Views()
    {
        yield return View("transposed", () => arange(6).reshape(2, 3).t());
        yield return View("sliced", () => arange(10)[TensorIndex.Slice(1, 9, 3)]);
        yield return View("expanded", () => arange(3).expand(2, 3));
        yield return View("a parameter", () => arange(3, float32, requires_grad: true));
        yield return View("a result with a graph", () => arange(3, float32, requires_grad: true) * 2);
        yield return View("a lazy conjugate", () => Conjugate(4));
        yield return View("a transposed lazy conjugate", () => Conjugate(4).reshape(2, 2).t());
        yield return View("a single lazy conjugate", () => Conjugate(1));
        yield return View("the imaginary part of lazy conjugates", () => Conjugate(4).imag);
        yield return View("the imaginary part of one lazy conjugate", () => Conjugate(1).imag);

        static TestCaseData View(string name, Func<Tensor> create) => new TestCaseData(create).SetArgDisplayNames(name);

        static Tensor Conjugate(long count) => arange(1, count + 1, complex64).mul(new Complex(1, 1)).conj();
    }

    [TestCaseSource(nameof(Views))]
    public void A_view_is_saved_as_its_values_and_leaves_no_copy(Func<Tensor> create)
    {
        using var scope = NewDisposeScope();
        var tensor = create();
        using var buffer = new MemoryStream();

        LiveTensors.AssertUnchangedBy(() => SafetensorsWriter.Write(buffer, [("name", tensor)]));

        using var reader = SafetensorsReader.Open(buffer);
        var read = reader.Read("name");
        Assert.That(read.shape, Is.EqualTo(tensor.shape));
        Assert.That(read.eq(tensor).all().item<bool>(), Is.True);
    }

    [Test]
    public void Names_that_share_memory_are_each_written()
    {
        using var tensor = arange(3, int64);
        using var view = tensor.view(3);
        using var buffer = new MemoryStream();

        SafetensorsWriter.Write(buffer, [("a", tensor), ("b", view), ("c", tensor)]);

        using var reader = SafetensorsReader.Open(buffer);
        Assert.That(reader.Header.DataLength, Is.EqualTo(3 * 24));
        Assert.That(reader.ReadBytes("b"), Is.EqualTo(reader.ReadBytes("a")).And.EqualTo(reader.ReadBytes("c")));
    }

    private static IEnumerable<TestCaseData> Refused()
    {
        yield return Case("reserved name", () => [("__metadata__", zeros(1))], "'__metadata__'", "pass it as such");
        yield return Case("same name twice", () => [("a", zeros(1)), ("b", zeros(1)), ("a", zeros(2))], "two", "'a'");
        yield return Case("null name", () => [(null!, zeros(1))], "null");
        yield return Case("half a surrogate pair", () => [("\ud800", zeros(1))], "surrogate");
        yield return Case("null tensor", () => [("a", null!)], "'a'", "null");
        yield return Case("disposed tensor", () => [("a", Disposed())], "'a'", "disposed");
        yield return Case("meta tensor", () => [("a", zeros(1, device: META))], "'a'", "meta", "give it data");
        yield return Case("sparse tensor", () => [("a", eye(3).to_sparse())], "'a'", "to_dense()");
        yield return Case("complex128", () => [("a", zeros(1, complex128))], "'a'", "ComplexFloat64", "view_as_real()");
        yield return Case("quantized", () => [("a", Quantized())], "'a'", "QInt8", "int_repr()", "BOOL, F4");

        static TestCaseData Case(string name, Func<(string, Tensor)[]> create, params string[] message) =>
            new TestCaseData(create, message).SetArgDisplayNames(name);

        static Tensor Quantized() => quantize_per_tensor(ones(2), 0.1, 0, ScalarType.QInt8);

        static Tensor Disposed()
        {
            var tensor = zeros(1);
            tensor.Dispose();
            return tensor;
        }
    }

    [TestCaseSource(nameof(Refused))]
    public void What_cannot_be_saved_is_refused_before_anything_is_written(
        Func<(string, Tensor)[]> create,
        string[] message
    )
    {
        using var scope = NewDisposeScope();
        using var directory = new TemporaryDirectory();
        var path = directory.File("model.safetensors", "old"u8);
        (string, Tensor)[] tensors = [("fine", zeros(1)), .. create()];

        LiveTensors.AssertUnchangedBy(() =>
        {
            var error = Assert.Throws<ArgumentException>(() => SafetensorsWriter.Save(path, tensors));
            foreach (var part in message)
            {
                Assert.That(error!.Message, Does.Contain(part));
            }
        });
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(directory.FileNames, Is.EqualTo(new[] { "model.safetensors" }));
    }

    private static IEnumerable<TestCaseData> RefusedMetadata()
    {
        yield return Case("same key twice", [("a", "1"), ("a", "2")], "twice");
        yield return Case("half a surrogate pair as a key", [("\udc00", "1")], "surrogate");
        yield return Case("half a surrogate pair as a value", [("a", "\ud800")], "surrogate");
        yield return Case("null key", [(null!, "1")], "null");
        yield return Case("null value", [("a", null!)], "null");

        static TestCaseData Case(string name, (string, string)[] metadata, string message) =>
            new TestCaseData(metadata, message).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(RefusedMetadata))]
    public void Metadata_that_the_format_cannot_hold_is_refused((string Key, string Value)[] metadata, string expected)
    {
        using var buffer = new MemoryStream();
        var pairs = metadata.Select(pair => KeyValuePair.Create(pair.Key, pair.Value));

        var error = Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(buffer, [], pairs));

        Assert.That(error!.Message, Does.Contain(expected));
        Assert.That(buffer.Length, Is.Zero);
    }

    [Test]
    public void A_header_that_no_reader_would_accept_is_refused()
    {
        using var buffer = new MemoryStream();
        var text = new string('m', SafetensorsHeader.MaxLength);

        var error = Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(buffer, [], [new("k", text)]));

        Assert.That(error!.Message, Does.Contain("100000000").And.Contain("less metadata"));
        Assert.That(buffer.Length, Is.Zero);
    }

    [Test]
    public void A_fault_while_writing_leaves_no_tensor_behind([Values(0, 100, 200)] int failsAt)
    {
        using var stream = new FaultyStream(new byte[1000]) { FailsAt = failsAt };
        using var tensor = zeros(10, 10);
        using var view = tensor.t();

        LiveTensors.AssertUnchangedBy(() =>
            Assert.Throws<IOException>(() => SafetensorsWriter.Write(stream, [("a", tensor), ("b", view)]))
        );
    }

    private static string Header((string Name, Tensor Tensor)[] tensors, KeyValuePair<string, string>[] metadata)
    {
        using var buffer = new MemoryStream();
        SafetensorsWriter.Write(buffer, tensors, metadata);
        var bytes = buffer.ToArray();
        return Encoding.UTF8.GetString(bytes, 8, (int)BitConverter.ToInt64(bytes));
    }
}
