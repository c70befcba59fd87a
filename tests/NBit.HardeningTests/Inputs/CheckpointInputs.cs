using System.Buffers.Binary;
using System.Text;

namespace NBit.HardeningTests.Inputs;

/// <summary>Damaged safetensors files.</summary>
/// <remarks>
/// Most have a header of the length that the file says, so that what was changed in it is read; the others are changed
/// anywhere. Of files whose tensors or metadata hold JSON, that is changed too, and the file is right around it.
/// </remarks>
internal sealed class CheckpointInputs
{
    private const int PrefixLength = sizeof(ulong);
    private const int LongestPadding = 9;

    private readonly byte[][] _seeds;
    private readonly CheckpointParts[] _holdJson;
    private readonly JsonMutations _headers;
    private readonly JsonMutations? _contents;

    /// <param name="seeds">Valid files.</param>
    public CheckpointInputs(params byte[][] seeds)
    {
        _seeds = seeds;
        _headers = new(seeds.Select(seed => HeaderOf(seed).ToArray()));
        _holdJson = [.. seeds.Select(CheckpointParts.Of).Where(parts => JsonIn(parts).Any())];
        _contents = _holdJson.Length == 0 ? null : new(_holdJson.SelectMany(JsonIn));
    }

    /// <summary>A file; one in some dozens is as it was.</summary>
    public byte[] Make(Draw draw)
    {
        if (_contents is not null && draw.OneIn(2))
        {
            return WithOtherContent(draw.Of(_holdJson), draw).ToFile();
        }

        var file = draw.OneIn(4) ? CheckpointParts.Drawn(draw).ToFile() : draw.Of(_seeds);
        return draw.OneIn(4) ? Anywhere(file, draw) : InHeader(file, draw);
    }

    private byte[] Anywhere(byte[] file, Draw draw)
    {
        var bytes = draw.OneIn(4) ? ByteMutations.Splice(file, draw.Of(_seeds), draw) : [.. file];
        for (var changes = draw.Changes(); changes > 0; changes--)
        {
            ByteMutations.Apply(bytes, draw);
        }

        if (draw.OneIn(8))
        {
            ByteMutations.SetLength(bytes, 0, draw);
        }

        return [.. bytes];
    }

    private byte[] InHeader(byte[] file, Draw draw)
    {
        List<byte> header = [.. HeaderOf(file)];
        var data = file.AsSpan(PrefixLength + header.Count);
        Change(header, _headers, draw);
        if (draw.OneIn(4))
        {
            header.AddRange(Enumerable.Repeat((byte)' ', draw.Below(LongestPadding)));
        }

        if (draw.OneIn(8))
        {
            data = data[..draw.Below(data.Length + 1)];
        }

        Span<byte> prefix = stackalloc byte[PrefixLength];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Count);
        return [.. prefix, .. header, .. data];
    }

    private CheckpointParts WithOtherContent(CheckpointParts parts, Draw draw)
    {
        var json = draw.Of([.. JsonIn(parts)]);
        List<byte> changed = [.. json];
        Change(changed, _contents!, draw);
        return new(
            [
                .. parts.Tensors.Select(part =>
                    part.Bytes.AsSpan().SequenceEqual(json)
                        ? part with
                        {
                            Bytes = [.. changed],
                            Shape = [changed.Count],
                        }
                        : part
                ),
            ],
            [
                .. parts.Metadata.Select(entry =>
                    Encoding.UTF8.GetBytes(entry.Value).AsSpan().SequenceEqual(json)
                        ? KeyValuePair.Create(entry.Key, Encoding.UTF8.GetString([.. changed]))
                        : entry
                ),
            ]
        );
    }

    private static void Change(List<byte> json, JsonMutations mutations, Draw draw)
    {
        for (var changes = draw.Changes(); changes > 0; changes--)
        {
            if (draw.OneIn(6))
            {
                ByteMutations.Apply(json, draw);
            }
            else
            {
                mutations.Apply(json, draw);
            }
        }
    }

    private static IEnumerable<byte[]> JsonIn(CheckpointParts parts) =>
        parts
            .Tensors.Select(part => part.Bytes)
            .Concat(parts.Metadata.Select(entry => Encoding.UTF8.GetBytes(entry.Value)))
            .Where(bytes => bytes.AsSpan().StartsWith("{\""u8));

    private static ReadOnlySpan<byte> HeaderOf(byte[] file) =>
        file.AsSpan(PrefixLength, (int)BinaryPrimitives.ReadInt64LittleEndian(file));
}
