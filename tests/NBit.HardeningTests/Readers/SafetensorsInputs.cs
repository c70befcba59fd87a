using System.Text;
using NBit.HardeningTests.Inputs;

namespace NBit.HardeningTests.Readers;

/// <summary>The seeds of the safetensors readers: every field, escapes, sub-byte types, empty tensors, metadata.</summary>
internal static class SafetensorsInputs
{
    public static CheckpointInputs Make() =>
        new(
            File("{}", 0),
            File("""{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}""", 24),
            File(
                """
                {"__metadata__":{"format":"pt","n\u00e9":"\ud83d\ude00\n"},
                 "b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"c":{"data_offsets":[4,6],"dtype":"F4","shape":[4]},
                 "d":{"dtype":"I64","shape":[],"data_offsets":[6,14]},"e":{"dtype":"F8_E4M3","shape":[0,7],"data_offsets":[14,14]}}
                """,
                14
            ),
            File(
                """
                {"model.layers.0.weight":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},
                 "f6":{"dtype":"F6_E2M3","shape":[4,1],"data_offsets":[8,11]},"y":{"dtype":"BOOL","shape":[1],"data_offsets":[11,12]},
                 "z":{"dtype":"C64","shape":[1,1,1],"data_offsets":[12,20]}}
                """,
                20
            )
        );

    private static byte[] File(string header, int dataLength)
    {
        var json = Encoding.UTF8.GetBytes(header);
        return
        [
            .. BitConverter.GetBytes((long)json.Length),
            .. json,
            .. Enumerable.Range(0, dataLength).Select(index => (byte)(index % 2)), // also what a bool may be
        ];
    }
}
