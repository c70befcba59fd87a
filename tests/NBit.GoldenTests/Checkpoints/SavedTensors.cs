using NBit.Checkpoints;
using NBit.GoldenTests.Golden;

namespace NBit.GoldenTests.Checkpoints;

/// <summary>Compares safetensors files.</summary>
internal static class SavedTensors
{
    /// <summary>Fails unless two files hold the same tensors: names, dtypes, shapes and bytes.</summary>
    public static void AssertSame(string expected, string actual)
    {
        using var first = SafetensorsReader.Open(expected);
        using var second = SafetensorsReader.Open(actual);
        Assert.That(second.Names, Is.EquivalentTo(first.Names));
        foreach (var name in first.Names)
        {
            using var recorded = first.Read(name);
            using var saved = second.Read(name);
            Assert.That(new Comparison(ComparisonKind.Bytes).Difference(saved, recorded), Is.Null, name);
        }
    }
}
