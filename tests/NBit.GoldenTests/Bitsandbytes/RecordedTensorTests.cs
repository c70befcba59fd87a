using NBit.GoldenTests.Golden;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>Every tensor of the files that hold single operations and layers, computed by NBit.</summary>
public sealed class RecordedTensorTests
{
    private static IEnumerable<TestCaseData> Tensors() => Cases((_, _) => true, "");

    private static IEnumerable<TestCaseData> Loadable() =>
        Cases((_, subject) => subject is { Load: not null, Quantize: not null }, " from recorded bytes");

    [TestCaseSource(nameof(Tensors))]
    public void A_tensor_is_reproduced(string file, string tensor)
    {
        using var scope = NewDisposeScope();
        var (subject, recorded) = Find(file, tensor);
        var answer = GoldenAnswer.Of(file, tensor, ReadmeRules.Of);
        if (subject.IsInput)
        {
            Assert.That(IsRead(file, tensor), Is.True, $"no other tensor of {file} is computed from {tensor}");
        }
        else if (answer.NotCompared is { } rule)
        {
            Skip.Differs(rule);
        }
        else
        {
            answer.Check(Compute(subject)(recorded), recorded.Mask());
        }

        GC.KeepAlive(recorded);
    }

    [TestCaseSource(nameof(Loadable))]
    public void A_tensor_is_reproduced_from_recorded_bytes(string file, string tensor)
    {
        using var scope = NewDisposeScope();
        var (subject, recorded) = Find(file, tensor);
        GoldenAnswer.Of(file, tensor, ReadmeRules.Of, quantizes: false).Check(subject.Load!(recorded));
        GC.KeepAlive(recorded);
    }

    private static IEnumerable<TestCaseData> Cases(Func<string, Subject, bool> include, string suffix) =>
        from file in BitsandbytesFiles.Compared
        from tensor in GoldenTensors.Of(file).Names
        where BitsandbytesFiles.SubjectsOf(file).Any(s => s.CaseOf(file, tensor) is not null && include(tensor, s))
        select new TestCaseData(file, tensor).SetName($"{file} {tensor}{suffix}");

    private static (Subject Subject, RecordedCase Recorded) Find(string file, string tensor) =>
        BitsandbytesFiles
            .SubjectsOf(file)
            .Select(subject => (Subject: subject, Recorded: subject.CaseOf(file, tensor)))
            .Where(pair => pair.Recorded is not null)
            .Select(pair => (pair.Subject, pair.Recorded!))
            .Single();

    private static Func<RecordedCase, Tensor> Compute(Subject subject) =>
        subject.Quantize
        ?? subject.Load
        ?? throw new InvalidOperationException("a tensor that nbit-rules.json does not leave out has no computation");

    // The likely ones first: those whose names begin as the input's.
    private static bool IsRead(string file, string input) =>
        GoldenTensors
            .Of(file)
            .Names.OrderByDescending(tensor => tensor.Zip(input).TakeWhile(pair => pair.First == pair.Second).Count())
            .Where(tensor => GoldenAnswer.Of(file, tensor, ReadmeRules.Of).NotCompared is null)
            .Select(tensor => Find(file, tensor))
            .Where(pair => !pair.Subject.IsInput)
            .Any(pair =>
            {
                using var scope = NewDisposeScope();
                Compute(pair.Subject)(pair.Recorded).Dispose();
                return pair.Recorded.Inputs.Contains(input);
            });
}
