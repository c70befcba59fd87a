using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace NBit.HardeningTests.Inputs;

/// <summary>Changes to bytes of any kind.</summary>
internal static class ByteMutations
{
    private const int LongestPart = 32;

    // Where lengths and counts go wrong: around 0, the ends of 31, 32, 63 and 64 bits, and the header's own limit.
    private static readonly ulong[] Edges =
    [
        0,
        1,
        7,
        8,
        0x7f,
        0xff,
        100_000_000,
        100_000_001,
        int.MaxValue,
        1UL << 31,
        uint.MaxValue,
        1UL << 32,
        1UL << 60,
        long.MaxValue - 7,
        long.MaxValue,
        1UL << 63,
        ulong.MaxValue - 7,
        ulong.MaxValue,
    ];

    private static readonly Action<List<byte>, Draw>[] All =
    [
        FlipBit,
        SetByte,
        Truncate,
        Remove,
        Repeat,
        Insert,
        (bytes, draw) => SetLength(bytes, draw.Below(bytes.Count + 1), draw),
    ];

    /// <summary>Makes one change.</summary>
    public static void Apply(List<byte> bytes, Draw draw) => draw.Of(All)(bytes, draw);

    /// <summary>The beginning of one, the end of another.</summary>
    public static List<byte> Splice(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other, Draw draw) =>
        [.. one[..draw.Below(one.Length + 1)], .. other[draw.Below(other.Length + 1)..]];

    /// <summary>Overwrites up to 8 bytes by a little-endian number at the edge of what a length may be.</summary>
    public static void SetLength(List<byte> bytes, int position, Draw draw)
    {
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(number, draw.OneIn(4) ? draw.Bits() : draw.Of(Edges));
        var target = CollectionsMarshal.AsSpan(bytes)[position..];
        number[..Math.Min(number.Length, target.Length)].CopyTo(target);
    }

    private static void FlipBit(List<byte> bytes, Draw draw)
    {
        if (bytes.Count > 0)
        {
            bytes[draw.Below(bytes.Count)] ^= (byte)(1 << draw.Below(8));
        }
    }

    private static void SetByte(List<byte> bytes, Draw draw)
    {
        if (bytes.Count > 0)
        {
            bytes[draw.Below(bytes.Count)] = (byte)draw.Bits();
        }
    }

    private static void Truncate(List<byte> bytes, Draw draw) =>
        CollectionsMarshal.SetCount(bytes, draw.Below(bytes.Count + 1));

    private static void Remove(List<byte> bytes, Draw draw)
    {
        var (start, length) = Part(bytes, draw);
        bytes.RemoveRange(start, length);
    }

    private static void Repeat(List<byte> bytes, Draw draw)
    {
        var (start, length) = Part(bytes, draw);
        bytes.InsertRange(draw.Below(bytes.Count + 1), bytes.GetRange(start, length));
    }

    private static void Insert(List<byte> bytes, Draw draw) =>
        bytes.Insert(draw.Below(bytes.Count + 1), (byte)draw.Bits());

    private static (int Start, int Length) Part(List<byte> bytes, Draw draw)
    {
        var start = draw.Below(bytes.Count + 1);
        return (start, draw.Below(Math.Min(bytes.Count - start, LongestPart) + 1));
    }
}
