using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace NBit.Bindings.Generator;

/// <summary>Reads a header through clang's syntax tree in JSON (<c>clang -Xclang -ast-dump=json</c>).</summary>
internal static class ClangAst
{
    public static Header Read(string header, ClangSettings settings)
    {
        using var tree = JsonDocument.Parse(Dump(header, settings), new JsonDocumentOptions { MaxDepth = 512 });
        var functions = new List<Function>();
        var enumerations = new List<Enumeration>();
        var opaque = new List<string>();
        var callbacks = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var node in Children(tree.RootElement).Where(IsInMainFile))
        {
            switch (Kind(node))
            {
                case "FunctionDecl":
                    functions.Add(ReadFunction(node));
                    break;
                case "EnumDecl":
                    enumerations.Add(ReadEnumeration(node));
                    break;
                case "RecordDecl" when !node.TryGetProperty("completeDefinition", out _):
                    opaque.Add(Name(node));
                    break;
                case "RecordDecl":
                    throw new NotSupportedException(
                        $"{header}: struct {Name(node)} is defined; the ABI has opaque types only"
                    );
                case "TypedefDecl" when Type(node).Contains("(*)", StringComparison.Ordinal):
                    callbacks.Add(Name(node), Type(node));
                    break;
            }
        }

        return new Header(functions, enumerations, opaque.Distinct(StringComparer.Ordinal).ToList(), callbacks);
    }

    private static string Dump(string header, ClangSettings settings)
    {
        var start = new ProcessStartInfo(FindClang()) { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (
            var argument in (string[])["-Xclang", "-ast-dump=json", "-fsyntax-only", .. settings.Arguments, header]
        )
        {
            start.ArgumentList.Add(argument);
        }

        using var clang = Process.Start(start) ?? throw new InvalidOperationException("clang did not start");
        var output = clang.StandardOutput.ReadToEnd();
        clang.WaitForExit();
        return clang.ExitCode == 0
            ? output
            : throw new InvalidDataException($"clang refuses {header} (exit code {clang.ExitCode})");
    }

    private static string FindClang()
    {
        string[] names = ["clang", .. Enumerable.Range(14, 12).Select(version => $"clang-{version}")];
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        return names
                .SelectMany(name => folders.Select(folder => Path.Combine(folder, name)))
                .FirstOrDefault(File.Exists)
            ?? throw new FileNotFoundException(
                "clang is not on the PATH; install it (on Debian: apt-get install clang-14)"
            );
    }

    private static Function ReadFunction(JsonElement node)
    {
        var signature = Type(node);
        var parameters = Children(node)
            .Where(child => Kind(child) == "ParmVarDecl")
            .Select(child => new Parameter(Name(child), Type(child)));
        return new Function(
            Name(node),
            signature[..signature.IndexOf('(', StringComparison.Ordinal)].Trim(),
            parameters.ToList(),
            ReadComment(node)
        );
    }

    private static Enumeration ReadEnumeration(JsonElement node)
    {
        var constants = Children(node)
            .Where(child => Kind(child) == "EnumConstantDecl")
            .Select(child => new Constant(Name(child), ConstantValue(child), ReadComment(child)));
        return new Enumeration(Name(node), constants.ToList(), ReadComment(node));
    }

    private static long ConstantValue(JsonElement constant) =>
        Children(constant)
            .Where(child => child.TryGetProperty("value", out _))
            .Select(child =>
                long.Parse(child.GetProperty("value").GetString()!, System.Globalization.CultureInfo.InvariantCulture)
            )
            .DefaultIfEmpty(long.MinValue)
            .First()
            is var value
        && value != long.MinValue
            ? value
            : throw new NotSupportedException($"{Name(constant)} has no explicit value; the ABI states each");

    private static Comment ReadComment(JsonElement node)
    {
        var comment = Children(node).FirstOrDefault(child => Kind(child) == "FullComment");
        if (comment.ValueKind == JsonValueKind.Undefined)
        {
            return Comment.None;
        }

        var paragraphs = Children(comment)
            .Where(child => Kind(child) == "ParagraphComment")
            .Select(Text)
            .Where(text => text.Length > 0);
        var parameters = Children(comment)
            .Where(child => Kind(child) == "ParamCommandComment")
            .ToDictionary(child => child.GetProperty("param").GetString()!, Text, StringComparer.Ordinal);
        return new Comment(paragraphs.ToList(), parameters);
    }

    private static string Text(JsonElement node)
    {
        var text = new StringBuilder();
        Append(node);
        return string.Join(' ', text.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

        void Append(JsonElement part)
        {
            if (part.TryGetProperty("text", out var words))
            {
                text.Append(words.GetString()).Append(' ');
            }

            foreach (var child in Children(part))
            {
                Append(child);
            }
        }
    }

    // clang names the including file at each declaration that comes from an included one.
    private static bool IsInMainFile(JsonElement node) =>
        node.TryGetProperty("loc", out var location)
        && location.TryGetProperty("offset", out _)
        && !location.TryGetProperty("includedFrom", out _);

    private static IEnumerable<JsonElement> Children(JsonElement node) =>
        node.TryGetProperty("inner", out var inner) ? inner.EnumerateArray() : [];

    private static string Kind(JsonElement node) => node.TryGetProperty("kind", out var kind) ? kind.GetString()! : "";

    private static string Name(JsonElement node) => node.TryGetProperty("name", out var name) ? name.GetString()! : "";

    private static string Type(JsonElement node) => node.GetProperty("type").GetProperty("qualType").GetString()!;
}
