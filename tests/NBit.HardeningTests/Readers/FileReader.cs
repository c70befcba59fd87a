namespace NBit.HardeningTests.Readers;

/// <summary>A reader that takes a path: the input is written to a file in a folder of its own.</summary>
internal abstract class FileReader : Reader
{
    /// <param name="file">The file's name.</param>
    protected FileReader(string file) => File = Path.Combine(Folder, file);

    /// <summary>The folder.</summary>
    protected string Folder { get; } = Directory.CreateTempSubdirectory("nbit-hardening-").FullName;

    /// <summary>The path of the input.</summary>
    protected string File { get; }

    public sealed override void Read(byte[] input)
    {
        System.IO.File.WriteAllBytes(File, input);
        ReadFile(input);
    }

    public override void Dispose()
    {
        Directory.Delete(Folder, recursive: true);
        base.Dispose();
    }

    /// <summary>Reads <see cref="File" />.</summary>
    protected abstract void ReadFile(byte[] input);
}
