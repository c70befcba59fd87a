namespace NBit.Testing;

/// <summary>Places in the checkout that tests run from.</summary>
public static class Repository
{
    /// <summary>The root: the folder that holds NBit.slnx.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "NBit.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"no folder above {AppContext.BaseDirectory} holds NBit.slnx");
    }
}
