using System.CommandLine;
using NBit.Bindings.Generator;

var root = new Option<DirectoryInfo>("--root")
{
    Description = "The repository",
    DefaultValueFactory = _ => new DirectoryInfo("."),
};
var check = new Option<bool>("--check") { Description = "Write nothing; fail if the files in the repository differ" };
var command = new RootCommand("Makes the P/Invoke bindings from the C headers") { root, check };
command.SetAction(parsed => Generate(parsed.GetValue(root)!.FullName, parsed.GetValue(check)));
return command.Parse(args).Invoke();

static int Generate(string root, bool check)
{
    Environment.CurrentDirectory = root;
    var settings = Settings.Read("bindings/generator/settings.json");
    var headers = settings.Headers.ToDictionary(header => header, header => ClangAst.Read(header.Path, settings.Clang));
    var writer = new CSharpWriter(settings, new CSharpTypes(settings.Types, headers.Values));
    var files = headers
        .SelectMany(pair => writer.Write(pair.Key, pair.Value))
        .ToDictionary(file => Path.Combine(settings.Output, file.Name), file => file.Content, StringComparer.Ordinal);

    var faults = headers.SelectMany(pair => ExportFaults(pair.Key, pair.Value)).ToList();
    if (check)
    {
        faults.AddRange(
            files
                .Where(file => !File.Exists(file.Key) || File.ReadAllText(file.Key) != file.Value)
                .Select(file => $"{file.Key} is not what the headers give: run ./build.sh bindings")
        );
        faults.AddRange(
            Existing(settings)
                .Except(files.Keys, StringComparer.Ordinal)
                .Select(file => $"{file} belongs to nothing in the headers")
        );
    }
    else
    {
        Directory.CreateDirectory(settings.Output);
        Existing(settings).Except(files.Keys, StringComparer.Ordinal).ToList().ForEach(File.Delete);
        files.ToList().ForEach(file => File.WriteAllText(file.Key, file.Value));
    }

    faults.ForEach(Console.Error.WriteLine);
    Console.WriteLine(
        $"{headers.Values.Sum(header => header.Functions.Count)} functions in {files.Count} files, {faults.Count} faults"
    );
    return faults.Count == 0 ? 0 : 1;
}

static IEnumerable<string> Existing(Settings settings) =>
    Directory.Exists(settings.Output) ? Directory.EnumerateFiles(settings.Output, "*.g.cs") : [];

// The list of exports holds each function of the header, and what else it holds is no function of NBit's.
static IEnumerable<string> ExportFaults(HeaderSettings header, Header content)
{
    var exports = File.ReadLines(header.Exports)
        .Where(line => line.Length > 0 && line[0] != '#')
        .ToHashSet(StringComparer.Ordinal);
    var functions = content.Functions.Select(function => function.Name).ToHashSet(StringComparer.Ordinal);
    return functions
        .Except(exports, StringComparer.Ordinal)
        .Select(name => $"{header.Exports} lacks {name}, which {header.Path} declares")
        .Concat(
            exports
                .Where(name => name.StartsWith("nbit_", StringComparison.Ordinal))
                .Except(functions, StringComparer.Ordinal)
                .Select(name => $"{header.Path} lacks {name}, which {header.Exports} lists")
        );
}
