using System.Text;
using System.Text.RegularExpressions;
using NBit.Testing;

namespace NBit.Tests.Examples;

/// <summary>The messages of all errors, as the sources have them; what varies is "…".</summary>
internal static partial class ErrorMessages
{
    private const string Hole = "…";

    /// <summary>What the managed and the native sources throw.</summary>
    public static IEnumerable<string> All() =>
        Managed()
            .SelectMany(source => In(source.Text, ManagedError()))
            .Concat(Sources("native/src").SelectMany(source => In(source.Text, NativeError())))
            .Distinct(StringComparer.Ordinal);

    /// <summary>Exceptions whose message is not written where they are made: <see cref="All" /> lacks it.</summary>
    public static IEnumerable<string> WithoutText() =>
        from source in Managed()
        from Match error in NewException().Matches(source.Text)
        where !Texts(source.Text, error.Index + error.Length).Any(IsMessage)
        select $"{Path.GetFileName(source.Path)}: {error.Value}";

    /// <summary>The messages of errors in a managed source.</summary>
    public static IEnumerable<string> InManaged(string source) => In(source, ManagedError());

    /// <summary>The messages of errors in a native source.</summary>
    public static IEnumerable<string> InNative(string source) => In(source, NativeError());

    /// <summary>Whether a text has two words. Names of fields and places that messages are made of have one.</summary>
    public static bool IsMessage(string text) => Word().Count(text) > 1;

    private static IEnumerable<(string Path, string Text)> Managed() =>
        Sources("managed/NBit").Concat(Sources("bindings/NBit.Native"));

    private static IEnumerable<(string Path, string Text)> Sources(string folder) =>
        Directory
            .EnumerateFiles(Path.Combine(Repository.Root, folder), "*.*", SearchOption.AllDirectories)
            .Where(path => Path.GetExtension(path) is ".cs" or ".cpp" or ".h")
            .Select(path => (path, File.ReadAllText(path)));

    private static IEnumerable<string> In(string source, Regex error) =>
        error.Matches(source).SelectMany(call => Texts(source, call.Index + call.Length)).Where(IsMessage);

    // Of the arguments of a call, the branches of a conditional one by one. All but string literals is a hole.
    private static IEnumerable<string> Texts(string source, int begin)
    {
        var text = new StringBuilder();
        var depth = 0;
        for (var token = Token().Match(source, begin); token.Success && depth >= 0; token = token.NextMatch())
        {
            depth += token.Groups["close"].Success ? -1 : 0;
            if (depth < 0 || (depth == 0 && token.Groups["end"].Success))
            {
                yield return Space().Replace(Holes().Replace(text.ToString(), Hole), " ").Trim();
                text.Clear();
            }
            else if (depth == 0)
            {
                text.Append(
                    token.Groups["literal"].Success ? Text(token.Value)
                    : token.Groups["other"].Success ? Hole
                    : ""
                );
            }

            depth += token.Groups["open"].Success ? 1 : 0;
        }
    }

    private static string Text(string literal)
    {
        var text = literal.StartsWith('$')
            ? Interpolation().Replace(literal[2..^1], hole => hole.Value is "{{" or "}}" ? hole.Value[..1] : Hole)
            : literal[1..^1];
        return Escape()
            .Replace(PrintFormat().Replace(text, Hole), escape => escape.Value[1] == 'n' ? " " : escape.Value[1..]);
    }

    [GeneratedRegex(@"\bnew (?!ArgumentNull)\w*Exception\(", RegexOptions.None, 1000)]
    private static partial Regex NewException();

    // Also by a function that makes the exception: one that is thrown, or whose body is "new(...)"
    [GeneratedRegex(
        @"\bnew \w*Exception\(|\bthrow (?!new\b)[\w.]+\(|\w+Exception\.At\(|\w+Exception\b[^;{}=]*=>\s*new\(",
        RegexOptions.None,
        1000
    )]
    private static partial Regex ManagedError();

    [GeneratedRegex(@"\bthrow [\w:]+\(|set_error_message\(", RegexOptions.None, 1000)]
    private static partial Regex NativeError();

    [GeneratedRegex(
        """
            //[^\n]*
            |(?<literal>\$"(?:\\.|\{\{|\}\}|\{(?>[^{}]+|(?<brace>\{)|(?<-brace>\}))*\}|[^"\\{}])*"|"(?:\\.|[^"\\])*")
            |(?<other>'(?:\\.|[^'\\])'|[^\s()\[\]{},?:+"']+)
            |(?<open>[(\[{])|(?<close>[)\]}])|(?<end>[,?:])
            """,
        RegexOptions.ExplicitCapture | RegexOptions.IgnorePatternWhitespace,
        1000
    )]
    private static partial Regex Token();

    [GeneratedRegex(@"\{\{|\}\}|\{(?>[^{}]+|(?<brace>\{)|(?<-brace>\}))*\}", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Interpolation();

    [GeneratedRegex(@"%(?:\.\*)?(?:ll|z)?[dsugf]", RegexOptions.None, 1000)]
    private static partial Regex PrintFormat();

    [GeneratedRegex(@"\\.", RegexOptions.None, 1000)]
    private static partial Regex Escape();

    [GeneratedRegex(@"\s+", RegexOptions.None, 1000)]
    private static partial Regex Space();

    [GeneratedRegex("…+", RegexOptions.None, 1000)]
    private static partial Regex Holes();

    [GeneratedRegex(@"\S*\p{L}{2}\S*", RegexOptions.None, 1000)]
    private static partial Regex Word();
}
