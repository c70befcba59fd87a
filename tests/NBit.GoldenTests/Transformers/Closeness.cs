using NBit.GoldenTests.Golden;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Transformers;

/// <summary>How close a whole model's numbers must come: nbit-rules.json, else the folder's README.</summary>
internal static class Closeness
{
    public static void Assert(string file, string name, Tensor actual, Tensor expected, double tolerance)
    {
        if (GoldenRules.ForTensor(file, name) is { Kind: not "differs" } rule)
        {
            tolerance = rule.Json.Number("atol") ?? 0;
        }

        NUnit.Framework.Assert.That(actual.shape, Is.EqualTo(expected.shape), name);
        using var difference = (actual - expected).abs().max();
        NUnit.Framework.Assert.That(
            difference.item<float>(),
            Is.LessThanOrEqualTo(tolerance),
            $"{name}: max abs error"
        );
    }
}
