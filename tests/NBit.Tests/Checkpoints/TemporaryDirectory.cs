namespace NBit.Tests.Checkpoints;

/// <summary>A directory of its own for one test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("nbit-").FullName;

    public IEnumerable<string?> FileNames =>
        Directory.EnumerateFileSystemEntries(Path).Select(System.IO.Path.GetFileName);

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string File(string name, ReadOnlySpan<byte> content)
    {
        System.IO.File.WriteAllBytes(File(name), content);
        return File(name);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
