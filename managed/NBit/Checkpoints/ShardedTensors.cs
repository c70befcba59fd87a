using System.Diagnostics.CodeAnalysis;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>The tensors of several safetensors files that an index joins.</summary>
/// <remarks>Tensors of a shard that the index does not name are not there.</remarks>
internal sealed class ShardedTensors : TensorSource
{
    private readonly SafetensorsReader[] _shards;
    private readonly IReadOnlyDictionary<string, int> _shardOf;

    private ShardedTensors(ShardIndex index, SafetensorsReader[] shards)
    {
        CheckNames(index, shards);
        Metadata = index.Metadata;
        _shards = shards;
        _shardOf = index.ShardOf;
        Entries =
        [
            .. shards.SelectMany(
                (shard, number) =>
                    shard.Entries.Where(entry => _shardOf.TryGetValue(entry.Name, out var own) && own == number)
            ),
        ];
    }

    public override IReadOnlyList<SafetensorsEntry> Entries { get; }

    public override IReadOnlyDictionary<string, string> Metadata { get; }

    public static new ShardedTensors Open(string path)
    {
        var index = ShardIndex.Read(path);
        var shards = new List<SafetensorsReader>(index.Shards.Count);
        try
        {
            foreach (var shard in index.Shards)
            {
                shards.Add(SafetensorsReader.Open(shard));
            }

            return new ShardedTensors(index, [.. shards]);
        }
        catch
        {
            shards.ForEach(shard => shard.Dispose());
            throw;
        }
    }

    public override bool TryGetEntry(string name, [NotNullWhen(true)] out SafetensorsEntry? entry)
    {
        entry = null;
        return _shardOf.TryGetValue(name, out var shard) && _shards[shard].TryGetEntry(name, out entry);
    }

    public override Tensor Read(string name) => ShardOf(name).Read(name);

    public override void ReadInto(string name, Tensor target) => ShardOf(name).ReadInto(name, target);

    public override byte[] ReadBytes(string name) => ShardOf(name).ReadBytes(name);

    public override void ReadBytes(string name, long offset, Span<byte> destination) =>
        ShardOf(name).ReadBytes(name, offset, destination);

    public override MappedTensor Map(string name) => ShardOf(name).Map(name);

    public override void Dispose() => Array.ForEach(_shards, shard => shard.Dispose());

    private static void CheckNames(ShardIndex index, SafetensorsReader[] shards)
    {
        foreach (var (name, shard) in index.ShardOf)
        {
            if (!shards[shard].TryGetEntry(name, out _))
            {
                throw SafetensorsFormatException.At(
                    index.File,
                    "index",
                    $"tensor {TensorNames.Quote(name)} is said to be in '{Path.GetFileName(index.Shards[shard])}', "
                        + $"which lacks it; {TensorNames.Hint(name, [.. shards[shard].Names])}"
                );
            }
        }
    }

    private SafetensorsReader ShardOf(string name)
    {
        _ = GetEntry(name); // names near ones where there is none
        return _shards[_shardOf[name]];
    }
}
