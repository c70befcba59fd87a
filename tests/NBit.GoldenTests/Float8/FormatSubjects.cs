using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Float8;

/// <summary>Codes and casts of single numbers, by the block formats where there is no other way.</summary>
internal static class FormatSubjects
{
    private const byte One = 0x38; // in E4M3

    public static Dictionary<string, Tensor> Codes(Float8File _) =>
        new(StringComparer.Ordinal)
        {
            ["e4m3_to_f32"] = Decode(CodeFormat.E4M3),
            ["e5m2_to_f32"] = Decode(CodeFormat.E5M2),
            ["e2m1_to_f32"] = DecodeE2M1(),
            ["e8m0_to_f32"] = DecodeE8M0(),
        };

    public static Dictionary<string, Tensor> Casts(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var source = file.Read("f32_in");
        foreach (var (name, format) in new[] { ("e4m3", CodeFormat.E4M3), ("e5m2", CodeFormat.E5M2) })
        {
            computed[$"bf16_to_{name}"] = Encode(AllPatterns(ScalarType.BFloat16), format);
            computed[$"f16_to_{name}"] = Encode(AllPatterns(ScalarType.Float16), format);
            computed[$"f32_to_{name}"] = Encode(source, format);
            computed[$"scaled_to_{name}"] = Scaled(file.Read("scaled_in"), file.Read("scaled_scale"), format);
        }

        computed["f32_to_e2m1"] = EncodeE2M1(source);
        (computed["f32_abs_to_e8m0_up"], computed["f32_abs_to_e8m0_up.compared"]) = EncodeE8M0(source.abs());
        return computed;
    }

    private static Tensor AllPatterns(ScalarType dtype)
    {
        var patterns = Enumerable.Range(0, 1 << 16).Select(pattern => (ushort)pattern).ToArray();
        var numbers = empty([patterns.Length], dtype);
        numbers.bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(patterns.AsSpan());
        return numbers;
    }

    private static Tensor Decode(CodeFormat format)
    {
        var codes = arange(256, ScalarType.Int32).to(ScalarType.Byte).view(1, 256);
        using var matrix = new ScaledMatrix(format, Scaling.Tensor, 1, 256, codes, ones(1, ScalarType.Float32));
        return Float8Functional.Dequantize(matrix).view(-1);
    }

    private static Tensor DecodeE8M0()
    {
        var codes = full([256, 1], One, ScalarType.Byte);
        var scales = arange(256, ScalarType.Int32).to(ScalarType.Byte).view(256, 1);
        using var matrix = new ScaledMatrix(CodeFormat.E4M3, Scaling.MXFP8Rows, 256, 1, codes, scales);
        return Float8Functional.Dequantize(matrix).view(-1);
    }

    private static Tensor DecodeE2M1()
    {
        var pairs = arange(8, ScalarType.Int32);
        var codes = ((pairs * 2) + ((pairs * 2) + 1) * 16).to(ScalarType.Byte).view(1, 8);
        var (scale, amax) = (full([1, 1], One, ScalarType.Byte), full([1], 2688, ScalarType.Float32));
        using var matrix = new ScaledMatrix(CodeFormat.E2M1, Scaling.NVFP4Rows, 1, 16, codes, scale, amax);
        return Float8Functional.Dequantize(matrix).view(-1);
    }

    private static Tensor Encode(Tensor source, CodeFormat format)
    {
        using var matrix = Float8Functional.Quantize(source.view(1, -1), format);
        return matrix.Codes.view(-1).clone();
    }

    private static Tensor Scaled(Tensor source, Tensor scales, CodeFormat format)
    {
        var codes = new List<Tensor>();
        for (var i = 0; i < source.shape[0]; i++)
        {
            using var matrix = Float8Functional.Quantize(
                source.narrow(0, i, 1).view(1, 1),
                format,
                scales.narrow(0, i, 1).clone()
            );
            codes.Add(matrix.Codes.view(-1).clone());
        }

        return cat(codes);
    }

    // With an amax of 2688 and a block's of 6, both scales are 1: each number gets a block with 6 in it. Above 6 codes
    // saturate, so that larger numbers need not raise the block's amax.
    private static Tensor EncodeE2M1(Tensor source)
    {
        var blocks = cat([source.clamp(-6, 6).view(-1, 1), full([source.shape[0], 15], 6, ScalarType.Float32)], 1);
        using var matrix = Float8Functional.QuantizeNVFP4(blocks, amax: full([1], 2688, ScalarType.Float32));
        return matrix.Codes.select(1, 0).bitwise_and(tensor((byte)15)).clone();
    }

    // The scale of a block is made of amax / 448 and leaves NaN out: numbers that such a quotient can be are compared.
    private static (Tensor Codes, Tensor Compared) EncodeE8M0(Tensor source)
    {
        var reciprocal = tensor(1f / 448);
        var amax = source * 448;
        for (var i = 0; i < 2; i++)
        {
            foreach (var ulps in new[] { 1 - 1f / (1 << 23), 1 + 1f / (1 << 23) })
            {
                var other = amax * ulps;
                amax = where((other * reciprocal).eq(source), other, amax);
            }
        }

        using var matrix = Float8Functional.QuantizeMXFP8(amax.view(-1, 1));
        var compared = (amax * reciprocal).eq(source);
        Assert.That(compared.to(ScalarType.Float32).mean().item<float>(), Is.GreaterThan(0.5));
        return (matrix.Scales.view(-1).clone(), compared.to(ScalarType.Byte));
    }
}
