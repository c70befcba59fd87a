namespace NBit.GoldenTests.Golden;

/// <summary>The only reasons for which a golden case may be left out.</summary>
public static class Skip
{
    /// <summary>The recording needs a CUDA device.</summary>
    public static void NoCuda() => Assert.Ignore("no CUDA");

    /// <summary>What the case needs comes with a later issue.</summary>
    public static void NotLanded(string issue) => Assert.Ignore($"issue not landed: {issue}");

    /// <summary>nbit-rules.json says that the recorded value is not compared.</summary>
    public static void Differs(GoldenRule rule) =>
        Assert.Ignore($"nbit-rules.json: differs (DESIGN {rule.Design}: {rule.Why})");
}
