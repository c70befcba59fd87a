using NBit.Checkpoints;
using NBit.HardeningTests.Inputs;
using static TorchSharp.torch;

namespace NBit.HardeningTests.Readers;

/// <summary>An index over two good shards.</summary>
internal sealed class ShardedSafetensors : FileReader
{
    private readonly JsonInputs _inputs = new(
        """{"metadata": {"total_size": 24}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}""",
        """{"weight_map": {"a": "one.safetensors", "\u0061b": "one.safetensors"}}"""
    );

    public ShardedSafetensors()
        : base("model.safetensors.index.json")
    {
        using var scope = NewDisposeScope();
        SafetensorsWriter.Save(
            Path.Combine(Folder, "one.safetensors"),
            [("a", zeros(2)), ("ab", ones(1, ScalarType.Int64))]
        );
        SafetensorsWriter.Save(Path.Combine(Folder, "two.safetensors"), [("b", ones(2))]);
    }

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) =>
        error is SafetensorsFormatException || error.GetType() == typeof(FileNotFoundException);

    protected override void ReadFile(byte[] input)
    {
        using var source = TensorSource.Open(File);
        foreach (var entry in source.Entries)
        {
            using var tensor = source.Read(entry.Name);
            Require(tensor.numel() == entry.ElementCount, $"'{entry.Name}' has another size than its entry");
            Require(source.GetEntry(entry.Name) == entry, $"'{entry.Name}' has two entries");
        }
    }
}
