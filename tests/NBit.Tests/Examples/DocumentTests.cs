using System.Text.RegularExpressions;
using NBit.Testing;

namespace NBit.Tests.Examples;

/// <summary>The code in README.md and docs is the code that the files beside this one compile and run.</summary>
public sealed partial class DocumentTests
{
    private static readonly ILookup<string, string> Run = Directory
        .EnumerateFiles(Path.Combine(Repository.Root, "tests", "NBit.Tests", "Examples"), "*.cs")
        .SelectMany(file => Example().Matches(File.ReadAllText(file)))
        .ToLookup(
            example => example.Groups["document"].Value,
            example => Outdent(example.Groups["code"].Value),
            StringComparer.Ordinal
        );

    private static IEnumerable<string> Documents() =>
        Directory
            .EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md")
            .Select(file => $"docs/{Path.GetFileNameWithoutExtension(file)}")
            .Append("README");

    [TestCaseSource(nameof(Documents))]
    public void Each_example_of_a_document_is_one_that_runs(string document)
    {
        var text = File.ReadAllText(Path.Combine(Repository.Root, $"{document}.md"));
        var shown = CodeBlock().Matches(text).Select(block => block.Groups["code"].Value).ToList();
        Assert.That(shown, Is.EquivalentTo(Run[document]));
        if (document == "README")
        {
            Assert.That(shown, Is.Not.Empty);
        }
    }

    [Test]
    public void Examples_belong_to_documents_that_are_there() =>
        Assert.That(Run.Select(examples => examples.Key), Is.SubsetOf(Documents()));

    [TestCaseSource(nameof(Documents))]
    public void Links_lead_to_files_that_are_there(string document)
    {
        var file = Path.Combine(Repository.Root, $"{document}.md");
        foreach (Match link in Link().Matches(File.ReadAllText(file)))
        {
            var target = Path.Combine(Path.GetDirectoryName(file)!, link.Groups["path"].Value);
            Assert.That(Path.Exists(target), Is.True, link.Value);
        }
    }

    [Test]
    public void Figures_on_other_pages_are_those_of_the_README()
    {
        var measured = File.ReadAllLines(Path.Combine(Repository.Root, "README.md"));
        var shown = File.ReadAllLines(Path.Combine(Repository.Root, "docs", "when-it-helps.md"))
            .Where(line => FigureRow().IsMatch(line))
            .ToList();
        Assert.That(shown, Is.Not.Empty.And.SubsetOf(measured));
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
        "// (?<document>README|docs/[a-z0-9-]+): [^\n]*\n(?<code>.*?)\n *// end",
        RegexOptions.Singleline | RegexOptions.ExplicitCapture,
        1000
    )]
    private static partial Regex Example();

    [GeneratedRegex(@"\]\((?!https?:)(?<path>[^)#]+)(#[^)]*)?\)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Link();

    // A row of a table whose second cell is a number
    [GeneratedRegex(@"^\|[^|]*\| *[0-9]", RegexOptions.None, 1000)]
    private static partial Regex FigureRow();
}
