using System.Text.RegularExpressions;
using NBit.Testing;

namespace NBit.Tests.Examples;

/// <summary>The code in README.md is the code that ReadmeExamples.cs compiles and runs.</summary>
public sealed partial class ReadmeTests
{
    [Test]
    public void Each_example_in_the_README_is_one_that_runs()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        var source = File.ReadAllText(
            Path.Combine(Repository.Root, "tests", "NBit.Tests", "Examples", "ReadmeExamples.cs")
        );
        var shown = CodeBlock().Matches(readme).Select(block => block.Groups["code"].Value).ToList();
        var run = Example().Matches(source).Select(example => Outdent(example.Groups["code"].Value)).ToList();
        Assert.That(run, Is.Not.Empty);
        Assert.That(shown, Is.EquivalentTo(run));
    }

    private static string Outdent(string code)
    {
        var lines = code.TrimEnd().Split('\n');
        var indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > indent ? line[indent..] : line)) + "\n";
    }

    [GeneratedRegex("```csharp\n(?<code>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(
        "// README: [^\n]*\n(?<code>.*?)\n *// end",
        RegexOptions.Singleline | RegexOptions.ExplicitCapture,
        1000
    )]
    private static partial Regex Example();
}
