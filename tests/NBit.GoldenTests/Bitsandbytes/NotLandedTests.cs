using NBit.GoldenTests.Golden;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>Files of what comes with later issues.</summary>
public sealed class NotLandedTests
{
    private static IEnumerable<string> Optimizers() => BitsandbytesFiles.Optimizers;

    [TestCaseSource(nameof(Optimizers))]
    public void An_optimizer_takes_the_recorded_steps(string _) => Skip.NotLanded("The 8-bit optimizer family");
}
