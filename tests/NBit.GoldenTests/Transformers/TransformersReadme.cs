using NBit.GoldenTests.Golden;

namespace NBit.GoldenTests.Transformers;

/// <summary>The tolerances of the folder's README, for what nbit-rules.json does not match: max abs errors.</summary>
internal static class TransformersReadme
{
    /// <summary>The first that matches decides.</summary>
    private static readonly (string Tensor, Comparison Comparison)[] Table =
    [
        ("embedding.float32", Comparison.Close(absolute: 2e-5)),
        ("embedding.*.dequantized", Comparison.Close(absolute: 2e-5)),
        ("embedding.*.exact", Comparison.Close(absolute: 1e-4)),
        ("embedding.*", Comparison.Close(absolute: 3e-3)), // the peer multiplies in bfloat16
        ("weight.*", Comparison.Exact),
        ("logits.float32", Comparison.Close(absolute: 2e-4)),
        ("logits.*.dequantized", Comparison.Close(absolute: 2e-4)),
        ("logits.*.exact", Comparison.Close(absolute: 1e-3)),
        ("logits.*", Comparison.Close(absolute: 0.2)), // the peer multiplies in bfloat16
        ("greedy.*", Comparison.Exact),
    ];

    /// <summary>The comparison for a tensor of a recorded file.</summary>
    public static Comparison Of(string file, string tensor) =>
        Table.FirstOrDefault(row => GoldenRules.Matches(row.Tensor, tensor)).Comparison
        ?? throw new InvalidDataException($"no README and no rule says how to compare {tensor} of {file}");
}
