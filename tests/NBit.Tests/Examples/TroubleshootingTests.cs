using System.Text.RegularExpressions;
using NBit.Testing;

namespace NBit.Tests.Examples;

/// <summary>
/// docs/troubleshooting.md has all messages of errors, and none that is gone. An entry is a message or its beginning,
/// with "…" for anything.
/// </summary>
public sealed partial class TroubleshootingTests
{
    private static readonly List<string> Messages = [.. ErrorMessages.All()];

    private static readonly List<string> Entries =
    [
        .. Row()
            .Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "troubleshooting.md")))
            .SelectMany(row => CodeSpan().Matches(row.Groups["messages"].Value))
            .Select(span => span.Groups["text"].Value),
    ];

    [Test]
    public void Each_message_is_on_the_page() =>
        Assert.That(Messages.Where(message => !Entries.Exists(entry => Begins(message, entry))), Is.Empty);

    [Test]
    public void Each_entry_is_a_message() =>
        Assert.That(Entries.Where(entry => !Messages.Exists(message => Begins(message, entry))), Is.Empty);

    [Test]
    public void No_entry_stands_for_everything() =>
        Assert.That(Entries.Where(entry => !ErrorMessages.IsMessage(entry)), Is.Empty);

    // Messages of libnbit come as they are.
    [Test]
    public void Messages_are_written_where_exceptions_are_made() =>
        Assert.That(ErrorMessages.WithoutText(), Is.All.StartWith("NativeStatus.cs: "));

    [TestCase(
        """throw new ArgumentException($"{name} is {(a ? "b" : $"c {d}")}; give " + Most + " or {less}", name);"""
    )]
    [TestCase("""var error = new IOException("… is …; give … or {less}");""")]
    [TestCase("""ModelException Error(string name) => new($"{name} is {name[0]}; give {1} or {{less}}");""")]
    [TestCase("""a ?? throw fields.Error("name", $"{a} is {b}; give {c} or {{less}}")""")]
    [TestCase("""throw SafetensorsFormatException.At("name", b > 0 ? Text : $"{a} is {b}; give {c} or {{less}}")""")]
    public void Messages_are_found_in_managed_sources(string source) =>
        Assert.That(ErrorMessages.InManaged(source), Is.EqualTo(["… is …; give … or {less}"]));

    [TestCase("""throw Error(NBIT_STATUS_OUT_OF_MEMORY, "%s is %lld; give "  "%d or {less}", name(1, "x"), a, b);""")]
    [TestCase("""set_error_message("… is …; give … or {less}");""")]
    public void Messages_are_found_in_native_sources(string source) =>
        Assert.That(ErrorMessages.InNative(source), Is.EqualTo(["… is …; give … or {less}"]));

    private static bool Begins(string message, string entry) =>
        Regex.IsMatch(
            message,
            "^" + string.Join(".*?", entry.TrimEnd('…', ' ').Split('…').Select(Regex.Escape)),
            RegexOptions.None,
            TimeSpan.FromSeconds(1)
        );

    [GeneratedRegex(@"^\| (?<messages>`.*?) \| \S.* \|$", RegexOptions.Multiline, 1000)]
    private static partial Regex Row();

    // Within one or two backticks; a space beside two of them is not part of the code.
    [GeneratedRegex("(?<fence>`+) ?(?<text>.+?) ?\\k<fence>(?!`)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CodeSpan();
}
