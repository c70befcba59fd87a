using System.Buffers.Binary;
using System.Text;

namespace NBit.Interop;

/// <summary>
/// The symbol versions that a 64-bit little-endian ELF library asks of others (System V ABI, LSB "Symbol Versioning").
/// </summary>
internal static class ElfVersions
{
    private const uint VersionNeeds = 0x6ffffffe; // SHT_GNU_verneed
    private const byte Weak = 2; // VER_FLG_WEAK

    /// <summary>Marks a version as optional: the dynamic linker then accepts a library that lacks it.</summary>
    /// <param name="image">The library's bytes; changed in place.</param>
    /// <param name="version">The version, e.g. GLIBCXX_3.4.32.</param>
    /// <returns>Whether the library asks for that version, so that something was changed.</returns>
    public static bool MakeOptional(Span<byte> image, string version)
    {
        var changed = false;
        var sections = (int)U64(image, 40);
        int sectionSize = U16(image, 58),
            sectionCount = U16(image, 60);
        for (var i = 0; i < sectionCount; i++)
        {
            var section = image[(sections + (i * sectionSize))..];
            if (U32(section, 4) == VersionNeeds)
            {
                var names = (int)U64(image, sections + ((int)U32(section, 40) * sectionSize) + 24);
                changed |= MakeOptional(image, (int)U64(section, 24), names, version);
            }
        }

        return changed;
    }

    // A chain of libraries (Verneed), each with a chain of versions (Vernaux); a link of 0 ends a chain.
    private static bool MakeOptional(Span<byte> image, int need, int names, string version)
    {
        for (var changed = false; ; need += (int)U32(image, need + 12))
        {
            int count = U16(image, need + 2),
                auxiliary = need + (int)U32(image, need + 8);
            for (var i = 0; i < count; i++, auxiliary += (int)U32(image, auxiliary + 12))
            {
                var name = image[(names + (int)U32(image, auxiliary + 8))..];
                if (Encoding.ASCII.GetString(name[..name.IndexOf((byte)0)]) == version)
                {
                    image[auxiliary + 4] |= Weak;
                    changed = true;
                }
            }

            if (U32(image, need + 12) == 0)
            {
                return changed;
            }
        }
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);
}
