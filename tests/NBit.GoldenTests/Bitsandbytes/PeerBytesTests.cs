using NBit.GoldenTests.Golden;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>
/// What bitsandbytes wrote is loaded as it is, also where NBit would have written other codes: the recorded bytes give
/// the recorded numbers.
/// </summary>
public sealed class PeerBytesTests
{
    private static IEnumerable<TestCaseData> Tensors() =>
        from file in BitsandbytesFiles.Compared
        from tensor in GoldenTensors.Of(file).Names
        where !tensor.StartsWith("nbit.", StringComparison.Ordinal)
        from subject in BitsandbytesFiles.SubjectsOf(file)
        where subject.Load is not null
        let recorded = subject.CaseOf(file, tensor)
        where recorded is not null && recorded["bytes"].Length > 0 && HasRightScales(recorded)
        where GoldenAnswer.Of(file, tensor, ReadmeRules.Of) is { NotCompared: null } answer && answer.File != file
        select new TestCaseData(file, tensor, subject).SetName($"{file} {tensor} from bytes of the peer");

    [TestCaseSource(nameof(Tensors))]
    public void Recorded_bytes_give_the_recorded_numbers(string file, string tensor, Subject subject)
    {
        using var scope = NewDisposeScope();
        var recorded = subject.CaseOf(file, tensor, bytesOfPeer: true)!;
        var difference = ReadmeRules
            .Of(file, tensor)
            .Difference(subject.Load!(recorded), GoldenTensors.Of(file).Read(tensor));
        GC.KeepAlive(recorded);
        Assert.That(difference, Is.Null);
    }

    // The recordings of matrices that have parts of a block in a row do not (README: hazard).
    private static bool HasRightScales(RecordedCase recorded) =>
        recorded.Shape(recorded.Has("weight_f32") ? "weight_f32" : recorded.Name) is not [_, var columns]
        || columns % (recorded["blocksize"].Length > 0 ? recorded.Number("blocksize") : Linear4bitSubjects.Blocksize)
            == 0;
}
