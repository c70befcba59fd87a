using System.Buffers.Binary;
using System.Text;

namespace NBit.Tests.Models;

/// <summary>A tokenizer.model made by hand: SentencePiece's ModelProto (sentencepiece_model.proto).</summary>
internal static class SentencePieceBytes
{
    private const int Normal = 1,
        Unknown = 2,
        Control = 3,
        Byte = 6;
    private const int BytePairs = 2; // TrainerSpec.ModelType.BPE

    /// <summary>
    /// The unknown token, begin, end, the 256 bytes, and the given pieces, of which earlier ones merge first.
    /// </summary>
    public static byte[] Model(params string[] pieces) =>
        [
            .. Piece("<unk>", 0, Unknown),
            .. Piece("<s>", 0, Control),
            .. Piece("</s>", 0, Control),
            .. Enumerable.Range(0, 256).SelectMany(value => Piece($"<0x{value:X2}>", 0, Byte)),
            .. pieces.SelectMany((piece, rank) => Piece(piece, -rank, Normal)),
            .. Message(2, [.. Number(3, BytePairs), .. Number(35, 1)]), // trainer_spec: model_type, byte_fallback
            .. Message(3, [.. Number(3, 1), .. Number(4, 0), .. Number(5, 1)]), // normalizer_spec: spaces
        ];

    private static byte[] Piece(string text, float score, int type)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, score);
        return Message(1, [.. Message(1, Encoding.UTF8.GetBytes(text)), .. Tag(2, 5), .. bytes, .. Number(3, type)]);
    }

    private static byte[] Message(int field, byte[] content) =>
        [.. Tag(field, 2), .. Varint(content.Length), .. content];

    private static byte[] Number(int field, int value) => [.. Tag(field, 0), .. Varint(value)];

    private static byte[] Tag(int field, int wireType) => Varint((field << 3) | wireType);

    private static byte[] Varint(int value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        return [.. bytes, (byte)value];
    }
}
