using System.Text;
using CsCheck;
using NBit.Checkpoints;

namespace NBit.Tests.Checkpoints;

/// <summary>Whatever the bytes are: a valid file, or a SafetensorsFormatException.</summary>
public sealed class SafetensorsFuzzTests
{
    private const int Threads = 2;
    private static readonly byte[] Valid = SafetensorsBytes.File(
        [
            """
            "__metadata__":{"format":"pt","né":"\u00e9\n"}
            """,
            SafetensorsBytes.Entry("a.weight", "F32", "2,3", 0, 24),
            SafetensorsBytes.Entry("b", "F8_E4M3", "0,7", 24, 24),
            SafetensorsBytes.Entry("c", "F4", "4", 24, 26),
            SafetensorsBytes.Entry("d", "I64", "", 26, 34),
        ],
        34
    );

    // Mostly small numbers, which may fit together; then those at the edges, and what is no number.
    private static readonly Gen<string> Number = Gen.Frequency(
        (8, Gen.Int[0, 8].Select(number => $"{number}")),
        (1, Gen.Long.Select(number => $"{number}")),
        (1, Gen.OneOf("-0", "1e2", "0.0", "null", "[]", "\"1\"", $"{long.MaxValue}", "9223372036854775808"))
    );

    private static readonly Gen<string> Numbers = Number
        .Array[0, 4]
        .Select(numbers => $"[{string.Join(',', numbers)}]");

    private static readonly Gen<string> DataType = Gen.OneOf(
        "\"U8\"",
        "\"F32\"",
        "\"F4\"",
        "\"F6_E2M3\"",
        "\"I64\"",
        "\"\"",
        "null",
        "\"\\ud800\""
    );

    private static readonly Gen<string> Field = Gen.Frequency(
        (6, DataType.Select(value => $"\"dtype\":{value}")),
        (6, Numbers.Select(value => $"\"shape\":{value}")),
        (6, Gen.Select(Number, Number).Select((begin, end) => $"\"data_offsets\":[{begin},{end}]")),
        (1, Numbers.Select(value => $"\"data_offsets\":{value}")),
        (1, Gen.Const("\"x\":{}"))
    );

    private static readonly Gen<string> Name = Gen.OneOf("a", "b", "é", "", "__metadata__", "\\u0061");

    // Half of the entries are right in themselves, so that the layout is reached.
    private static readonly Gen<string> Entry = Gen.OneOf(
        Gen.Select(Name, Gen.Int[0, 4], Gen.Int[0, 4])
            .Select((name, begin, length) => SafetensorsBytes.Entry(name, "U8", $"{length}", begin, begin + length)),
        Gen.Select(Name, Field.Array[0, 4]).Select((name, fields) => $"\"{name}\":{{{string.Join(',', fields)}}}")
    );

    private static readonly Gen<(SafetensorsDataType DataType, long[] Shape)> Kind = Gen.Select(
            Gen.Enum<SafetensorsDataType>(),
            Gen.Long[0, 5].Array[0, 3]
        )
        .Where((dataType, shape) => Product(shape) * dataType.BitsPerElement() % 8 == 0);

    private static readonly Gen<string> Text = Gen.String.Where(IsUtf16);

    [Test]
    public void Random_headers_parse_or_are_refused()
    {
        var accepted = 0;
        Gen.Select(Entry.Array[0, 3], Gen.Int[0, 6])
            .Sample(
                (entries, dataLength) =>
                {
                    if (IsAccepted(SafetensorsBytes.File(entries, dataLength)))
                    {
                        Interlocked.Increment(ref accepted);
                    }
                },
                iter: 60_000,
                threads: Threads
            );

        Assert.That(accepted, Is.InRange(600, 30_000), "headers of both kinds were tried");
    }

    [Test]
    public void Random_changes_of_a_valid_file_parse_or_are_refused()
    {
        var accepted = 0;
        Gen.Select(Gen.Int[0, Valid.Length - 1], Gen.Int[0, 12], Gen.Byte.Array[0, 12])
            .Array[1, 3]
            .Sample(
                changes =>
                {
                    if (IsAccepted(changes.Aggregate(Valid, Changed)))
                    {
                        Interlocked.Increment(ref accepted);
                    }
                },
                iter: 60_000,
                threads: Threads
            );

        Assert.That(accepted, Is.InRange(60, 30_000), "files of both kinds were tried");
    }

    [Test]
    public void Random_bytes_parse_or_are_refused() =>
        Gen
            .Byte.Array[0, 40]
            .Sample(
                bytes =>
                {
                    IsAccepted(bytes);
                    IsAccepted(SafetensorsBytes.File([(byte)'{', .. bytes], 0));
                },
                iter: 20_000,
                threads: Threads
            );

    [Test]
    public void Each_single_byte_of_a_valid_file_may_have_any_value()
    {
        var accepted = 0;
        for (var position = 0; position < Valid.Length; position++)
        {
            for (var value = 0; value < 256; value++)
            {
                accepted += IsAccepted(Changed(Valid, (position, 1, [(byte)value]))) ? 1 : 0;
            }
        }

        Assert.That(accepted, Is.InRange(34 * 256, Valid.Length * 64), "all data bytes may change, few header bytes");
    }

    [Test]
    public void Each_beginning_of_a_valid_file_is_refused()
    {
        Assert.That(IsAccepted(Valid), Is.True);
        Assert.That(Enumerable.Range(0, Valid.Length).Select(length => IsAccepted(Valid[..length])), Has.All.False);
    }

    [Test]
    public void Written_headers_parse_to_what_was_written() =>
        Gen.Select(Gen.Dictionary(Text, Kind)[0, 6], Gen.Dictionary(Text, Text)[0, 4])
            .Sample(
                (tensors, metadata) =>
                {
                    tensors.Remove("__metadata__");
                    var entries = Placed(tensors);
                    var bytes = SafetensorsHeaderWriter.Write(entries, metadata);
                    Assert.That(bytes.Length % 8, Is.Zero);

                    var header = SafetensorsHeader.Parse(bytes.AsSpan(8), entries.Sum(entry => entry.ByteCount));
                    Assert.That(header.Metadata, Is.EqualTo(metadata));
                    Assert.That(header.Entries.Select(Describe), Is.EquivalentTo(entries.Select(Describe)));
                },
                iter: 10_000,
                threads: Threads
            );

    private static bool IsAccepted(byte[] bytes)
    {
        try
        {
            using var reader = SafetensorsReader.Open(new MemoryStream(bytes));
            var header = reader.Header;
            Assert.That(header.DataOffset + header.DataLength, Is.EqualTo(bytes.Length));
            byte[] data = [.. header.Entries.SelectMany(entry => reader.ReadBytes(entry.Name))];
            Assert.That(data, Is.EqualTo(bytes[(int)header.DataOffset..]));
            return true;
        }
        catch (SafetensorsFormatException)
        {
            return false;
        }
    }

    private static byte[] Changed(byte[] bytes, (int Position, int Removed, byte[] Inserted) change)
    {
        var begin = Math.Min(change.Position, bytes.Length);
        var end = Math.Min(begin + change.Removed, bytes.Length);
        return [.. bytes[..begin], .. change.Inserted, .. bytes[end..]];
    }

    private static List<SafetensorsEntry> Placed(
        Dictionary<string, (SafetensorsDataType DataType, long[] Shape)> tensors
    )
    {
        var entries = new List<SafetensorsEntry>();
        long begin = 0;
        foreach (var (name, (dataType, shape)) in tensors)
        {
            var end = begin + (Product(shape) * dataType.BitsPerElement() / 8);
            entries.Add(new SafetensorsEntry(name, dataType, [.. shape], begin, end));
            begin = end;
        }

        return entries;
    }

    private static long Product(long[] shape) => shape.Aggregate(1L, (product, size) => product * size);

    private static bool IsUtf16(string text) => text == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private static string Describe(SafetensorsEntry entry) => $"{entry.Name}|{entry}|{entry.Begin}|{entry.End}";
}
