using System.Collections.Concurrent;
using NBit.GoldenTests.Golden;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Float8;

/// <summary>Every tensor of the folder that is no input, computed by NBit.</summary>
public sealed class Float8TensorTests
{
    private static readonly ConcurrentDictionary<string, IReadOnlyDictionary<string, Tensor>> Computed = new(
        StringComparer.Ordinal
    );

    /// <summary>What computes the tensors of files, by the beginning of their names.</summary>
    private static readonly (string Prefix, Func<Float8File, Dictionary<string, Tensor>> Compute)[] Subjects =
    [
        ("codes", FormatSubjects.Codes),
        ("casts", FormatSubjects.Casts),
        ("scale_from_amax", ScaleSubjects.FromAmax),
        ("delayed_scaling", ScaleSubjects.Delayed),
        ("linear_microbatch", LinearSubjects.Microbatches),
        ("linear_", LinearSubjects.Steps),
        ("mxfp8", BlockSubjects.MXFP8),
        ("float8_block", BlockSubjects.Float8Blocks),
        ("nvfp4", BlockSubjects.NVFP4),
        ("norms", NormSubjects.Norms),
        ("layernorm_linear", ModuleSubjects.Linear),
        ("rmsnorm_linear", ModuleSubjects.Linear),
        ("layernorm_mlp", ModuleSubjects.MLP),
    ];

    private static IEnumerable<TestCaseData> Tensors() =>
        from file in Float8File.All
        from tensor in file.Outputs
        select new TestCaseData(file, tensor).SetName($"{file.Name} {tensor}");

    [Test]
    public void Only_the_committed_subset_lacks_files_of_the_manifest()
    {
        Assume.That(GoldenFolder.IsSubset, Is.False);
        Assert.That(Float8File.Missing, Is.Empty);
    }

    [TestCaseSource(nameof(Tensors))]
    public void A_tensor_is_reproduced(Float8File file, string name)
    {
        var computed = Computed.GetOrAdd(file.Name, _ => Compute(file));
        Assert.That(computed, Does.ContainKey(name), "nothing computes it");
        using var scope = NewDisposeScope();
        var mask = computed.GetValueOrDefault($"{name}.compared");
        Assert.That(file.ComparisonOf(name).Difference(computed[name], file.Read(name), mask), Is.Null);
    }

    private static Dictionary<string, Tensor> Compute(Float8File file)
    {
        using var scope = NewDisposeScope();
        var subject = Subjects.First(entry => file.Name.StartsWith(entry.Prefix, StringComparison.Ordinal));
        var computed = subject.Compute(file);
        foreach (var tensor in computed.Values)
        {
            tensor.DetachFromDisposeScope();
        }

        return computed;
    }
}
