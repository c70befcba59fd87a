using NBit.GoldenTests.Golden;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>Double quantization from end to end, with the mean that NBit computes itself.</summary>
public sealed class DoubleQuantizationTests
{
    /// <summary>Of nbit-rules.json: the mean's last bits may move a code.</summary>
    private static readonly Comparison EndToEnd = Comparison.Codes(maxFraction: 0.005, maxStep: 1);

    private static IEnumerable<TestCaseData> Codes() =>
        from file in BitsandbytesFiles.Compared
        from tensor in GoldenTensors.Of(file).Names
        where tensor.StartsWith("nbit.", StringComparison.Ordinal)
        where tensor.EndsWith(".absmax_u8", StringComparison.Ordinal)
        select new TestCaseData(file, tensor).SetName($"{file} {tensor} from end to end");

    [TestCaseSource(nameof(Codes))]
    public void Codes_of_absmax_are_reproduced_with_the_own_mean(string file, string tensor)
    {
        using var scope = NewDisposeScope();
        var recorded = BitsandbytesFiles
            .SubjectsOf(file)
            .Select(subject => subject.CaseOf(file, tensor))
            .Single(found => found is not null)!;
        var state = recorded.Name.StartsWith("nested.", StringComparison.Ordinal)
            ? Blocks8Subjects.Quantize(recorded, nested: true).State
            : DoubleQuantizationSubjects.Quantize(recorded, compress: true).State;
        Assert.That(EndToEnd.Difference(state.Absmax, GoldenTensors.Of(file).Read(tensor)), Is.Null);
    }
}
