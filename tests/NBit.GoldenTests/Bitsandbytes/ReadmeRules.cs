using NBit.GoldenTests.Golden;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>The tolerances of the folder's README, for what nbit-rules.json does not match.</summary>
public static class ReadmeRules
{
    private const double Float16Ulp = 1.0 / 1024;
    private const double BFloat16Ulp = 1.0 / 128;
    private static readonly Comparison OneFloat16Ulp = Comparison.Close(Float16Ulp);
    private static readonly Comparison OneBFloat16Ulp = Comparison.Close(BFloat16Ulp);
    private static readonly Comparison Linear = Comparison.Close(1e-5, 1e-5);
    private static readonly Comparison TwoPercent = Comparison.Close() with { ToleranceOfMaximum = 0.02 };

    /// <summary>The first that matches decides.</summary>
    private static readonly (string File, string Tensor, Comparison Comparison)[] Table =
    [
        // evenly spaced numbers depend on the kernel of linspace
        ("codebooks", "dynamic.*", Comparison.Close(absolute: 1e-7)),
        ("codebooks", "linear_map.*", Comparison.Close(absolute: 1e-7)),
        ("codebooks", "*", Comparison.Exact),
        ("quant4bit", "*.dequant", Comparison.Value),
        ("quant4bit", "*", Comparison.Exact),
        ("quant4bit_edge", "storage.*", new(ComparisonKind.Bytes)),
        ("quant4bit_edge", "hazard.*.dequant_by_rule", Comparison.Value),
        ("quant4bit_edge", "*", Comparison.Exact),
        ("quant4bit_double", "*.offset", Comparison.Close(1e-6)),
        ("quant4bit_double", "*.absmax_recovered", Comparison.Close(1e-6)),
        ("quant4bit_double", "*.f32.*.dequant", Comparison.Close(1e-6)),
        ("quant4bit_double", "*.f16.*.dequant", OneFloat16Ulp with { AbsoluteTolerance = 6e-8 }), // of a denormal
        ("quant4bit_double", "*.bf16.*.dequant", OneBFloat16Ulp),
        ("quant4bit_double", "*", Comparison.Exact),
        ("quant8bit_blockwise", "*.offset", Comparison.Close(1e-6)),
        ("quant8bit_blockwise", "nested.*.dequant", Comparison.Close(1e-6)),
        ("quant8bit_blockwise", "other.linear.code", Comparison.Close(absolute: 1e-7)),
        ("quant8bit_blockwise", "*", Comparison.Exact),
        ("int8_ops", "dequant.*", Comparison.Close(1e-6)),
        ("int8_ops", "mm_dequant.f32.*", Comparison.Close(1e-6)),
        ("int8_ops", "scaled_mm.f32.*", Comparison.Close(1e-6)),
        ("int8_ops", "*mm*.subA", Comparison.Exact),
        ("int8_ops", "mixed_scaled_mm.f32.*", Comparison.Close(absolute: 1e-4)),
        ("int8_ops", "mixed_scaled_mm.f16.*", Comparison.Close(absolute: 2e-2)),
        ("int8_ops", "mixed_scaled_mm.bf16.*", Comparison.Close(absolute: 1e-1)),
        ("int8_ops", "*mm*.f16.*", OneFloat16Ulp),
        ("int8_ops", "*mm*.bf16.*", OneBFloat16Ulp),
        ("int8_ops", "*", Comparison.Exact),
        ("linear8bit", "fp16w?.*", Comparison.Exact),
        ("linear8bit", "derived.*.f16.*", Comparison.Close() with { ToleranceOfMaximum = 1e-2 }),
        ("linear8bit", "*.f16.*", Comparison.Close() with { UlpsOfRowMaximum = 3 }),
        ("linear8bit", "*.bf16.*", Comparison.Close(absolute: 2e-2)),
        ("linear8bit", "*", Linear),
        ("linear4bit", "*.packed", Comparison.Exact),
        ("linear4bit", "*.absmax", Comparison.Exact),
        ("linear4bit", "*.nested_absmax", Comparison.Exact),
        ("linear4bit", "*.offset", Comparison.Close(1e-6)),
        ("linear4bit", "*bf16*", TwoPercent),
        ("linear4bit", "*f16*", TwoPercent),
        ("linear4bit", "*", Linear),
        ("optim_cuda_derived", "*.step1.param", Comparison.Close(absolute: 1e-6)),
        // tighter than the README's 5 learning rates, which are the case's: the rule of the file with NBit's answers
        ("optim_cuda_derived", "*.param", Comparison.Close(1e-5, 1e-6) with { OutsideFraction = 0.001 }),
        ("optim_cuda_derived", "*.absmax?", Comparison.Close(1e-5, 1e-12)),
        ("optim_cuda_derived", "*8bit.*.step1.state?", Comparison.Codes(0.01, byte.MaxValue)),
        ("optim_cuda_derived", "*8bit.*.state?", Comparison.Codes(0.03, byte.MaxValue)),
        ("optim_cuda_derived", "*.state?", Comparison.Close(1e-4, 1e-7)),
    ];

    /// <summary>The comparison for a tensor of a recorded file.</summary>
    public static Comparison Of(string file, string tensor)
    {
        var found = Table.FirstOrDefault(row =>
            $"{BitsandbytesFiles.Folder}/{row.File}.safetensors" == file && GoldenRules.Matches(row.Tensor, tensor)
        );
        return found.Comparison
            ?? throw new InvalidDataException($"no README and no rule says how to compare {tensor} of {file}");
    }
}
