using static TorchSharp.torch;

namespace NBit.Tests.Examples;

/// <summary>What the examples of documents share: batches of noise, and a folder of their own to run in.</summary>
public abstract class ExampleFixture
{
    private protected static readonly List<(Tensor X, Tensor Y)> Batches = MakeBatches(),
        ValidationBatches = MakeBatches();

    private protected string Folder { get; private set; } = "";

    [SetUp]
    public void MakeFolder()
    {
        Folder = Directory.CreateTempSubdirectory("nbit-example-").FullName;
        Environment.CurrentDirectory = Folder;
    }

    [TearDown]
    public void RemoveFolder()
    {
        Environment.CurrentDirectory = AppContext.BaseDirectory;
        Directory.Delete(Folder, recursive: true);
    }

    private static List<(Tensor X, Tensor Y)> MakeBatches()
    {
        manual_seed(1);
        return [.. Enumerable.Range(0, 6).Select(_ => (randn(16, 64), randint(0, 10, [16])))];
    }
}
