using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

/// <summary>Files that the reference implementation wrote: each is read, and written again byte for byte.</summary>
public sealed class SafetensorsGoldenTests
{
    [TestCaseSource(nameof(Files))]
    public void A_recorded_file_is_read_and_written_again_byte_for_byte(string file)
    {
        var recorded = File.ReadAllBytes(Path.Combine(Folder!, file));
        LiveTensors.AssertUnchangedBy(() =>
        {
            using var scope = NewDisposeScope();
            using var reader = SafetensorsReader.Open(Path.Combine(Folder!, file));
            var tensors = new List<(string Name, Tensor Tensor)>();
            foreach (var entry in reader.Header.Entries)
            {
                var (name, tensor) = (entry.Name, reader.Read(entry.Name));
                tensors.Add((name, tensor));
                var bytes = recorded.AsSpan((int)(reader.Header.DataOffset + entry.Begin), (int)entry.ByteCount);
                Assert.That(tensor.shape, Is.EqualTo(entry.Shape.ToArray()), name);
                Assert.That(bytes.SequenceEqual(SafetensorsBytes.Of(tensor)), Is.True, name);
            }

            using var written = new MemoryStream();
            SafetensorsWriter.Write(written, tensors.AsEnumerable().Reverse(), reader.Header.Metadata);
            Assert.That(written.ToArray().AsSpan().SequenceEqual(recorded), Is.True, "the bytes written again");
        });
    }

    private static IEnumerable<TestCaseData> Files()
    {
        string[] files = Folder is null ? [] : Directory.GetFiles(Folder, "*.safetensors", SearchOption.AllDirectories);
        return files.Length > 0
            ? files.Order(StringComparer.Ordinal).Select(file => new TestCaseData(Path.GetRelativePath(Folder!, file)))
            : [new TestCaseData("").Ignore("no recorded files: set NBIT_GOLDEN_DIR to the folder that holds them")];
    }

    // The folder that NBIT_GOLDEN_DIR names, else shared/golden beside the repository; null where it does not exist.
    private static string? Folder { get; } = FindFolder();

    private static string? FindFolder()
    {
        if (Environment.GetEnvironmentVariable("NBIT_GOLDEN_DIR") is { Length: > 0 } named)
        {
            return Directory.Exists(named) ? named : null;
        }

        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "NBit.slnx")))
        {
            directory = directory.Parent;
        }

        var folder = directory is null ? null : Path.GetFullPath(Path.Combine(directory.FullName, "../shared/golden"));
        return Directory.Exists(folder) ? folder : null;
    }
}
