using NBit.Checkpoints;
using NBit.HardeningTests.Inputs;
using static TorchSharp.torch;

namespace NBit.HardeningTests.Readers;

/// <summary>Safetensors in memory: header and data; what is valid is written again, and is then the same; at
/// last the file is cut while it is open.</summary>
internal sealed class StreamedSafetensors : Reader
{
    private readonly CheckpointInputs _inputs = SafetensorsInputs.Make();

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) => error is SafetensorsFormatException;

    public override void Read(byte[] input)
    {
        using var stream = new MemoryStream(input);
        using var reader = SafetensorsReader.Open(stream);
        var header = reader.Header;
        Require(header.DataOffset + header.DataLength == input.Length, "header and data are not the file");
        foreach (var entry in header.Entries)
        {
            Require(
                reader.ReadBytes(entry.Name).AsSpan().SequenceEqual(Slice(input, header, entry)),
                $"'{entry.Name}' has other bytes than the file"
            );
        }

        CheckHeader(header);
        CheckTensors(reader);
        if (header is { Entries: [.., { ByteCount: > 0 } last] })
        {
            CheckRefusal<NotSupportedException>(() => reader.Map(last.Name));
            stream.SetLength(input.Length - 1);
            CheckRefusal<SafetensorsFormatException>(() => reader.ReadBytes(last.Name));
            CheckRefusal<SafetensorsFormatException>(() => reader.ReadBytes(last.Name, 0, new byte[last.ByteCount]));
        }
    }

    private static void CheckRefusal<TException>(Action read)
        where TException : Exception
    {
        try
        {
            read();
        }
        catch (TException)
        {
            return;
        }

        throw new InconsistentException($"there was no {typeof(TException).Name}");
    }

    private static ReadOnlySpan<byte> Slice(byte[] input, SafetensorsHeader header, SafetensorsEntry entry) =>
        input.AsSpan((int)(header.DataOffset + entry.Begin), (int)entry.ByteCount);

    private static void CheckHeader(SafetensorsHeader header)
    {
        var written = SafetensorsHeaderWriter.Write(header.Entries, header.Metadata);
        var again = SafetensorsHeader.Parse(written.AsSpan(sizeof(ulong)), header.DataLength);
        Require(header.Metadata.SequenceEqual(again.Metadata), "the metadata are not those that were written");
        Require(
            header
                .Entries.Zip(again.Entries)
                .All(pair =>
                    pair.First.Name == pair.Second.Name
                    && pair.First.DataType == pair.Second.DataType
                    && pair.First.Shape.SequenceEqual(pair.Second.Shape)
                    && (pair.First.Begin, pair.First.End) == (pair.Second.Begin, pair.Second.End)
                )
                && header.Entries.Count == again.Entries.Count,
            "the entries are not those that were written"
        );
    }

    // libtorch has no tensors of types below a byte: the header's round trip is theirs.
    private static void CheckTensors(SafetensorsReader reader)
    {
        var names = reader
            .Entries.Where(entry => entry.DataType.ToScalarType() is not null)
            .Select(entry => entry.Name)
            .ToList();
        using var scope = NewDisposeScope();
        using var file = new MemoryStream();
        SafetensorsWriter.Write(file, names.Select(name => (name, reader.Read(name))), reader.Metadata);
        using var again = SafetensorsReader.Open(file);
        names.ForEach(name => again.ReadInto(name, reader.Read(name)));
        Require(again.Entries.Count == names.Count, "tensors are missing in what was written");
        foreach (var entry in again.Entries)
        {
            Require(
                Elements(again, entry).SequenceEqual(Elements(reader, entry))
                    && entry.ToString() == reader.Header.GetEntry(entry.Name).ToString(),
                $"'{entry.Name}' is another tensor in what was written"
            );
        }
    }

    // To libtorch each byte but 0 is true, so that of a bool it writes 0 and 1 alone.
    private static IEnumerable<byte> Elements(SafetensorsReader reader, SafetensorsEntry entry)
    {
        var bytes = reader.ReadBytes(entry.Name);
        return entry.DataType == SafetensorsDataType.Bool ? bytes.Select(value => (byte)(value == 0 ? 0 : 1)) : bytes;
    }
}
