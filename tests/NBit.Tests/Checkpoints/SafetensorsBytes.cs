using System.Buffers.Binary;
using System.Text;
using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

/// <summary>
/// Safetensors files made by hand, and tensors as bytes, without the code under test where that is possible.
/// </summary>
internal static class SafetensorsBytes
{
    public static byte[] File(string json, int dataLength = 0) => File(Encoding.UTF8.GetBytes(json), dataLength);

    public static byte[] File(string[] entries, int dataLength = 0) => File(Json(entries), dataLength);

    public static byte[] File(ReadOnlySpan<byte> json, int dataLength) => File(json, Pattern(dataLength));

    public static byte[] File(ReadOnlySpan<byte> json, ReadOnlySpan<byte> data)
    {
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        return [.. length, .. json, .. data];
    }

    /// <summary>A header of entries.</summary>
    public static string Json(IEnumerable<string> entries) => $"{{{string.Join(',', entries)}}}";

    /// <summary>An entry of a header: "name":{"dtype":"U8","shape":[1,2],"data_offsets":[0,2]}.</summary>
    public static string Entry(string name, string dtype, string shape, long begin, long end) =>
        $"\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{begin},{end}]}}";

    /// <summary>Bytes without a short period, so that a shifted read is seen.</summary>
    public static byte[] Pattern(int length) =>
        [.. Enumerable.Range(0, length).Select(i => (byte)((i * 167) ^ (i >> 8)))];

    public static byte[] Of(Tensor tensor)
    {
        using var contiguous = tensor.contiguous();
        var memory = TensorMemory.Of(contiguous);
        var bytes = new byte[memory.Length];
        for (var offset = 0; offset < bytes.Length; )
        {
            var chunk = memory.ChunkAt(offset);
            chunk.CopyTo(bytes.AsSpan(offset));
            offset += chunk.Length;
        }

        return bytes;
    }

    /// <summary>A tensor of any dtype of libtorch's with the given elements.</summary>
    public static Tensor Tensor(ScalarType dtype, long[] shape, ReadOnlySpan<byte> bytes)
    {
        var tensor = empty(shape, dtype, CPU);
        bytes.CopyTo(TensorMemory.Of(tensor).ChunkAt(0));
        return tensor;
    }
}
