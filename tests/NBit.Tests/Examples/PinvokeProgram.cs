// docs/pinvoke: a whole program
using NBit.Native;

namespace Example;

internal static unsafe class FourBits
{
    private const int Outputs = 256,
        Inputs = 1024,
        Blocksize = 64;
    private const int Nf4 = (int)nbit_quant_type.NBIT_QUANT_TYPE_NF4,
        Float32 = (int)nbit_data_type.NBIT_DATA_TYPE_FLOAT32;

    public static void Run()
    {
        var random = new Random(1);
        var weight = Enumerable.Range(0, Outputs * Inputs).Select(_ => random.NextSingle() - 0.5f).ToArray();
        var x = Enumerable.Range(0, Inputs).Select(_ => random.NextSingle()).ToArray();
        var packed = new byte[weight.Length / 2]; // two codes a byte
        var absmax = new float[weight.Length / Blocksize]; // one number a block
        var y = new float[Outputs];

        using var context = new NativeContext(threads: 2);
        fixed (
            float* w = weight,
                input = x,
                scales = absmax,
                output = y
        )
        fixed (byte* codes = packed)
        {
            NativeStatus.ThrowIfFailed(
                Libnbit.nbit_blocks4_quantize(context.Address, Nf4, Float32, w, weight.Length, Blocksize, codes, scales)
            );
            NativeStatus.ThrowIfFailed(
                Libnbit.nbit_linear4_forward(
                    context.Address,
                    Nf4,
                    codes,
                    scales,
                    absmax_codes: null,
                    absmax_book: null,
                    absmax_offset: null,
                    Blocksize,
                    Outputs,
                    Inputs,
                    x_type: Float32,
                    input,
                    rows: 1,
                    bias_type: Float32,
                    bias: null,
                    compute_type: Float32,
                    output
                )
            );
        }

        var exact = Enumerable
            .Range(0, Outputs)
            .Select(row => Product(weight.AsSpan(row * Inputs, Inputs), x))
            .ToArray();
        var error = Math.Sqrt(y.Zip(exact, (a, b) => Math.Pow(a - b, 2)).Sum() / exact.Sum(b => b * b));
        Console.WriteLine($"{packed.Length + (4 * absmax.Length)} bytes instead of {4 * weight.Length}");
        Console.WriteLine($"relative error {error:0.000}");
    }

    private static double Product(ReadOnlySpan<float> row, ReadOnlySpan<float> x)
    {
        double sum = 0;
        for (var i = 0; i < x.Length; i++)
        {
            sum += row[i] * x[i];
        }

        return sum;
    }
}
// end
