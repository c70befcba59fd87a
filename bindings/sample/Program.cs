// libnbit by P/Invoke alone, without TorchSharp: casts numbers to float8 with a scale, and back.
using NBit.Native;

const float largest = 448; // of E4M3
float[] numbers = [0.001f, -0.25f, 1, 3.14159f, -100];
var codes = new byte[numbers.Length];
var back = new float[numbers.Length];
using var context = new NativeContext(threads: 1);
unsafe
{
    // The first cast measures the largest magnitude, from which the scale follows; the second one uses it.
    float amax = 0,
        scale = 1;
    fixed (
        float* source = numbers,
            decoded = back
    )
    fixed (byte* target = codes)
    {
        Cast(
            source,
            nbit_data_type.NBIT_DATA_TYPE_FLOAT32,
            target,
            nbit_data_type.NBIT_DATA_TYPE_FLOAT8_E4M3FN,
            &scale,
            &amax
        );
        scale = largest / amax;
        Cast(
            source,
            nbit_data_type.NBIT_DATA_TYPE_FLOAT32,
            target,
            nbit_data_type.NBIT_DATA_TYPE_FLOAT8_E4M3FN,
            &scale,
            null
        );
        var inverse = 1 / scale;
        Cast(
            target,
            nbit_data_type.NBIT_DATA_TYPE_FLOAT8_E4M3FN,
            decoded,
            nbit_data_type.NBIT_DATA_TYPE_FLOAT32,
            &inverse,
            null
        );
    }

    Console.WriteLine($"amax {amax}, scale {scale}");
}

for (var i = 0; i < numbers.Length; i++)
{
    Console.WriteLine($"{numbers[i], 10} -> 0x{codes[i]:x2} -> {back[i]}");
}

unsafe void Cast(void* source, nbit_data_type from, void* target, nbit_data_type to, float* scale, float* amax) =>
    NativeStatus.ThrowIfFailed(
        Libnbit.nbit_values_cast(context.Address, (int)from, source, numbers.Length, (int)to, target, scale, amax)
    );
