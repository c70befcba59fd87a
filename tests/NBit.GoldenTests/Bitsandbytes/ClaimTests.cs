using NBit.GoldenTests.Golden;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>Nothing that is recorded is left out unnoticed.</summary>
public sealed class ClaimTests
{
    private static IEnumerable<string> Files() => BitsandbytesFiles.All;

    private static IEnumerable<string> ComparedFiles() => BitsandbytesFiles.Compared;

    [TestCaseSource(nameof(Files))]
    public void A_file_is_claimed_by_one_test(string file)
    {
        IEnumerable<string>[] groups =
        [
            BitsandbytesFiles.Compared,
            BitsandbytesFiles.Models,
            BitsandbytesFiles.Optimizers,
        ];
        Assert.That(groups.Count(group => group.Contains(file, StringComparer.Ordinal)), Is.EqualTo(1));
    }

    [TestCaseSource(nameof(ComparedFiles))]
    public void A_tensor_is_claimed_by_one_subject(string file)
    {
        var claims = GoldenTensors
            .Of(file)
            .Names.ToDictionary(
                tensor => tensor,
                tensor => BitsandbytesFiles.SubjectsOf(file).Count(s => s.CaseOf(file, tensor) is not null),
                StringComparer.Ordinal
            );
        Assert.That(claims, Is.Not.Empty);
        Assert.That(
            claims.Where(claim => claim.Value != 1).Select(claim => $"{claim.Key}: {claim.Value} subjects"),
            Is.Empty
        );
    }
}
