using System.Text.Json;
using NBit.Testing;

namespace NBit.GoldenTests.Golden;

/// <summary>
/// The recorded data that tests compare with: the folder that NBIT_GOLDEN_DIR names, else the committed subset. Its
/// subfolders are bitsandbytes, float8, precision and transformers; each has a README that says how to compare.
/// </summary>
public static class GoldenFolder
{
    private static readonly string Subset = Path.Combine(Repository.Root, "tests", "data", "golden");

    public static string Root { get; } =
        Environment.GetEnvironmentVariable("NBIT_GOLDEN_DIR") is { Length: > 0 } folder
            ? Path.GetFullPath(folder, Repository.Root)
            : Subset;

    /// <summary>Whether it is the committed subset, which has some files of each kind.</summary>
    public static bool IsSubset => Path.TrimEndingDirectorySeparator(Root) == Subset;

    public static string PathOf(string file) => Path.Combine(Root, file);

    /// <summary>The files of a folder whose names match a pattern, as paths below <see cref="Root" />.</summary>
    public static IEnumerable<string> Files(string folder, string pattern) =>
        Directory.Exists(PathOf(folder))
            ? Directory
                .EnumerateFiles(PathOf(folder), pattern)
                .Select(path => $"{folder}/{Path.GetFileName(path)}")
                .Order(StringComparer.Ordinal)
            : [];

    /// <summary>A JSON file; where it is not in the folder, an empty object, so that it gives no cases.</summary>
    public static JsonElement Json(string file) =>
        JsonDocument.Parse(File.Exists(PathOf(file)) ? File.ReadAllText(PathOf(file)) : "{}").RootElement;
}
