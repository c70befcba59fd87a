using System.Runtime.InteropServices;
using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

/// <summary>Tensors that are read where the page cache holds them.</summary>
public sealed class MappedTensorTests
{
    private const int Megabyte = 1 << 20;

    [Test]
    public void A_mapping_has_the_tensor_s_bytes_wherever_it_lies([Values(0, 1, 4095, 4096, 10_000)] int before)
    {
        var data = SafetensorsBytes.Pattern(before + 5000);
        using var directory = new TemporaryDirectory();
        using var reader = SafetensorsReader.Open(
            directory.File(
                "x.safetensors",
                SafetensorsBytes.File(
                    [
                        SafetensorsBytes.Entry("a", "U8", $"{before}", 0, before),
                        SafetensorsBytes.Entry("b", "U8", "5000", before, before + 5000),
                    ],
                    data.Length
                )
            )
        );
        using var mapped = reader.Map("b");
        var copy = new byte[100];
        mapped.CopyTo(4900, copy);

        Assert.That(mapped.Length, Is.EqualTo(5000));
        Assert.That(mapped.Slice(0, 5000).SequenceEqual(data.AsSpan(before)), Is.True);
        Assert.That(copy, Is.EqualTo(data[^100..]));
    }

    [Test]
    public void A_mapping_outlives_its_reader_but_not_itself()
    {
        using var directory = new TemporaryDirectory();
        var reader = Open(directory, 3);
        using var mapped = reader.Map("a");
        mapped.Dispose();

        Assert.Throws<ObjectDisposedException>(() => mapped.Slice(0, 1).ToArray());
        mapped.Dispose();
        reader.Dispose();
        Assert.Throws<ObjectDisposedException>(() => reader.Map("a"));
    }

    [TestCase(-1, 1)]
    [TestCase(0, 4)]
    [TestCase(3, 1)]
    [TestCase(0, -1)]
    public void A_part_outside_the_tensor_is_refused(long offset, int length)
    {
        using var directory = new TemporaryDirectory();
        using var reader = Open(directory, 3);
        using var mapped = reader.Map("a");

        Assert.Throws<ArgumentOutOfRangeException>(() => mapped.Slice(offset, length).ToArray());
    }

    [Test]
    public void A_tensor_without_elements_is_mapped_to_nothing()
    {
        using var directory = new TemporaryDirectory();
        using var reader = Open(directory, 0);
        using var mapped = reader.Map("a");

        Assert.That(mapped.Slice(0, 0).Length, Is.Zero);
    }

    [Test]
    public void A_stream_that_is_no_file_cannot_be_mapped()
    {
        using var reader = SafetensorsReader.Open(new MemoryStream(Content(3)));

        var error = Assert.Throws<NotSupportedException>(() => reader.Map("a"));
        Assert.That(error!.Message, Does.Contain("'a'").And.Contain("by its path"));
    }

    [Test]
    public void A_file_that_is_cut_is_noticed_before_its_pages_are_touched()
    {
        using var directory = new TemporaryDirectory();
        using var reader = Open(directory, 3 * 4096);
        using var mapped = reader.Map("a");
        using (
            var other = new FileStream(
                directory.File("x.safetensors"),
                FileMode.Open,
                FileAccess.Write,
                FileShare.ReadWrite | FileShare.Delete
            )
        )
        {
            other.SetLength(5000);
        }

        var error = Assert.Throws<SafetensorsFormatException>(() => mapped.Slice(9000, 1).ToArray());
        Assert.That(error!.Message, Does.Contain("'a'").And.Contain("now has 5000"));
        Assert.Throws<SafetensorsFormatException>(() => reader.Map("a"));
    }

    [Test]
    [Platform("Linux")]
    public void Reading_a_large_file_piece_by_piece_takes_no_memory_of_the_process_s_own([Values] bool mapped)
    {
        const int count = 8;
        const long size = 32 * Megabyte;
        using var directory = new TemporaryDirectory();
        var path = directory.File(
            "x.safetensors",
            SafetensorsBytes.File([
                .. Enumerable
                    .Range(0, count)
                    .Select(i => SafetensorsBytes.Entry($"t{i}", "F32", $"{size / 4}", i * size, (i + 1) * size)),
            ])
        );
        using (var file = new FileStream(path, FileMode.Append))
        {
            var piece = SafetensorsBytes.Pattern(Megabyte);
            for (var written = 0L; written < count * size; written += piece.Length)
            {
                file.Write(piece);
            }
        }

        var expected = SafetensorsBytes.Pattern(Megabyte).Sum(value => (long)value) * count * (size / Megabyte);
        using var source = TensorSource.Open(path);
        var target = new byte[Megabyte];
        target.AsSpan().Fill(1); // counted before
        var before = ProcessMemory.AnonymousBytes();
        long sum = 0,
            peak = 0;
        foreach (var entry in source.Entries)
        {
            using var view = mapped ? source.Map(entry.Name) : null;
            for (var offset = 0L; offset < size; offset += target.Length)
            {
                if (view is null)
                {
                    source.ReadBytes(entry.Name, offset, target);
                }

                foreach (var value in view is null ? target : view.Slice(offset, target.Length))
                {
                    sum += value;
                }
            }

            peak = Math.Max(peak, ProcessMemory.AnonymousBytes() - before);
        }

        Assert.That(sum, Is.EqualTo(expected));
        Assert.That(peak, Is.LessThan(16 * Megabyte), $"the file has {count * size} bytes");
    }

    [Test]
    public void The_bytes_are_the_elements()
    {
        using var directory = new TemporaryDirectory();
        using (var numbers = tensor(new float[] { 1, -2.5f }))
        {
            SafetensorsWriter.Save(directory.File("y.safetensors"), [("a", numbers)]);
        }

        using var source = TensorSource.Open(directory.File("y.safetensors"));
        using var mapped = source.Map("a");
        Assert.That(MemoryMarshal.Cast<byte, float>(mapped.Slice(0, 8)).ToArray(), Is.EqualTo(new[] { 1, -2.5f }));
    }

    private static SafetensorsReader Open(TemporaryDirectory directory, int length) =>
        SafetensorsReader.Open(directory.File("x.safetensors", Content(length)));

    private static byte[] Content(int length) =>
        SafetensorsBytes.File([SafetensorsBytes.Entry("a", "U8", $"{length}", 0, length)], length);
}
