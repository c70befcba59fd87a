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

    public static string PathOf(string model) => Path.Combine(Root, model);
}
