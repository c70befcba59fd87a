using NBit.Testing;

namespace NBit.GoldenTests.Golden;

/// <summary>
/// The real models: the folder that NBIT_MODELS_DIR names, else the one beside the golden folder.
/// </summary>
public static class ModelsFolder
{
    private static readonly string Root = Environment.GetEnvironmentVariable("NBIT_MODELS_DIR")
        is { Length: > 0 } folder
        ? Path.GetFullPath(folder, Repository.Root)
        : Path.Combine(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(GoldenFolder.Root))!, "models");

    /// <summary>A model's folder; a test without it is not run.</summary>
    public static string PathOf(string model)
    {
        var path = Path.Combine(Root, model);
        Assume.That(Directory.Exists(path), $"there is no model in {path}");
        return path;
    }
}
