using System.Buffers.Binary;

namespace NBit.Training;

/// <summary>
/// The bytes of libtorch's Mersenne Twister: seed, words left, whether it is seeded, next word, 624 words, and more
/// (CPUGeneratorImplStateLegacy in ATen's CPUGeneratorImpl.cpp).
/// </summary>
internal static class RandomState
{
    private const int Words = 624;
    private const int Left = sizeof(ulong),
        Seeded = Left + sizeof(int),
        Next = Seeded + sizeof(int);

    /// <summary>Whether libtorch can go on from a state of the right length.</summary>
    /// <remarks>
    /// It ends the process where the numbers are out of range, and takes words from behind the last one where they do
    /// not fit together: left and next add up to 625, and to 1 before the first number.
    /// </remarks>
    public static bool IsValid(ReadOnlySpan<byte> state) =>
        BinaryPrimitives.ReadInt32LittleEndian(state[Left..]) is var left and >= 1 and <= Words
        && BinaryPrimitives.ReadInt32LittleEndian(state[Seeded..]) == 1
        && BinaryPrimitives.ReadUInt64LittleEndian(state[Next..]) <= (ulong)(Words + 1 - left);
}
