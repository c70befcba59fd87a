using System.IO.Compression;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using NBit.Testing;

namespace NBit.PackageTests;

/// <summary>The packages that ./build.sh pack made.</summary>
internal static partial class Packages
{
    /// <summary>The local feed.</summary>
    public static string Folder { get; } = Path.Combine(Repository.Root, "artifacts", "packages");

    /// <summary>The version, which all packages have in common.</summary>
    public static string Version { get; } = VersionOf("NBit.Native");

    /// <summary>The libtorch that a consumer adds.</summary>
    public static string LibtorchVersion { get; } = CentralVersion("LibtorchVersion");

    /// <summary>The names of the files in a package, without those of the package format.</summary>
    public static string[] Files(string id, string extension = "nupkg")
    {
        using var package = ZipFile.OpenRead(PathOf(id, extension));
        return
        [
            .. package
                .Entries.Select(entry => entry.FullName)
                .Where(name => !name.StartsWith("_rels/", StringComparison.Ordinal))
                .Where(name => !name.StartsWith("package/", StringComparison.Ordinal))
                .Where(name => name != "[Content_Types].xml")
                .Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>The description of a package.</summary>
    public static XElement Nuspec(string id)
    {
        using var package = ZipFile.OpenRead(PathOf(id, "nupkg"));
        using var stream = package.GetEntry($"{id}.nuspec")!.Open();
        return XDocument.Load(stream).Root!.Elements().Single();
    }

    /// <summary>A source file that a package describes itself by: the first C# block of a README.</summary>
    public static string FirstExample(string readme) =>
        CSharpBlock().Match(File.ReadAllText(Path.Combine(Repository.Root, readme))).Groups["code"].Value;

    private static string PathOf(string id, string extension) => Path.Combine(Folder, $"{id}.{Version}.{extension}");

    private static string VersionOf(string id)
    {
        var found = Directory.Exists(Folder) ? Directory.GetFiles(Folder, $"{id}.*.nupkg") : [];
        return found.Length == 1
            ? Path.GetFileNameWithoutExtension(found[0])[(id.Length + 1)..]
            : throw new FileNotFoundException($"{Folder} holds {found.Length} packages of {id}; run ./build.sh pack");
    }

    private static string CentralVersion(string property) =>
        XDocument.Load(Path.Combine(Repository.Root, "Directory.Packages.props")).Descendants(property).Single().Value;

    [GeneratedRegex("```csharp\n(?<code>.*?)```", RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex CSharpBlock();
}
