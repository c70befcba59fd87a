using NBit.GoldenTests.Golden;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>An all-zero block dequantizes to +0, which a comparison by value does not see (nbit-rules.json).</summary>
public sealed class PositiveZeroTests
{
    private const string File = $"{BitsandbytesFiles.Folder}/quant4bit_edge.safetensors";

    private static IEnumerable<TestCaseData> Zeros()
    {
        foreach (var tensor in GoldenTensors.Of(File).Names.Where(IsSpecialInput))
        {
            using var input = GoldenTensors.Of(File).Read(tensor);
            if (input.count_nonzero().item<long>() == 0)
            {
                yield return new TestCaseData(tensor).SetName($"{File} {tensor} gives +0");
            }
        }
    }

    [TestCaseSource(nameof(Zeros))]
    public void An_all_zero_block_gives_positive_zero(string tensor)
    {
        using var scope = NewDisposeScope();
        var kind = tensor.Contains(".nf4.", StringComparison.Ordinal) ? QuantType.NF4 : QuantType.FP4;
        var (packed, state) = Functional.Quantize4Bit(GoldenTensors.Of(File).Read(tensor), kind);
        using (state)
        {
            var numbers = Functional.Dequantize4Bit(packed, state);
            Assert.That(Comparison.Exact.Difference(numbers, zeros_like(numbers)), Is.Null);
        }
    }

    private static bool IsSpecialInput(string tensor) =>
        tensor.StartsWith("special.", StringComparison.Ordinal) && tensor.EndsWith(".input", StringComparison.Ordinal);
}
