using System.Text.Json;

namespace NBit.Checkpoints;

/// <summary>
/// A model.safetensors.index.json, as transformers writes beside the shards of a large model: which file holds which
/// tensor.
/// </summary>
/// <param name="File">The index itself.</param>
/// <param name="Shards">The shards' full paths, in the order of their first appearance.</param>
/// <param name="ShardOf">The number in <paramref name="Shards" /> by the tensor's name.</param>
/// <param name="Metadata">The index's metadata; numbers as the file spells them.</param>
internal sealed record ShardIndex(
    string File,
    IReadOnlyList<string> Shards,
    IReadOnlyDictionary<string, int> ShardOf,
    IReadOnlyDictionary<string, string> Metadata
)
{
    private const string MapKey = "weight_map";
    private const string MetadataKey = "metadata";
    private const string Extension = ".safetensors";

    /// <summary>Parses an index and checks that its shards are files in its folder.</summary>
    /// <exception cref="SafetensorsFormatException">It is not valid.</exception>
    /// <exception cref="FileNotFoundException">The index, or a shard, is missing.</exception>
    public static ShardIndex Read(string path)
    {
        var file = Path.GetFullPath(path);
        using var document = Parse(file);
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(MapKey, out var map))
        {
            throw Error(
                file,
                $"no '{MapKey}'; an index is an object with {MapKey} (tensor's name to shard's file name)"
            );
        }

        if (map.ValueKind != JsonValueKind.Object)
        {
            throw Error(file, $"'{MapKey}' is JSON {map.ValueKind}; it must be an object of file names");
        }

        var shards = new OrderedDictionary<string, int>(StringComparer.Ordinal);
        var shardOf = new OrderedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var (name, value) in map.EnumerateObject().Select(entry => (entry.Name, entry.Value)))
        {
            var shard = ShardPath(file, name, value);
            shards.TryAdd(shard, shards.Count);
            shardOf.Add(name, shards[shard]);
        }

        CheckPresent(file, shards.Keys);
        return new(file, [.. shards.Keys], shardOf, ReadMetadata(file, root));
    }

    private static JsonDocument Parse(string file)
    {
        using var stream = System.IO.File.OpenRead(file);
        if (stream.Length > SafetensorsHeader.MaxLength)
        {
            throw Error(file, $"{stream.Length} bytes; at most {SafetensorsHeader.MaxLength} are allowed: no index");
        }

        try
        {
            return StrictJson.Read(stream);
        }
        catch (JsonException error)
        {
            throw Error(file, $"invalid JSON: {error.Message}", error);
        }
    }

    // A shard is a file in the index's folder and nothing else: an index that comes from elsewhere must not read, or
    // show the names of, other files. Links are followed: caches of downloads are made of them.
    private static string ShardPath(string file, string tensor, JsonElement value)
    {
        var place = $"{MapKey} {TensorNames.Quote(tensor)}";
        if (value.ValueKind != JsonValueKind.String)
        {
            throw Error(file, $"{place} is JSON {value.ValueKind}; it must be a file name");
        }

        var shard = value.GetString()!;
        if (!shard.EndsWith(Extension, StringComparison.Ordinal) || shard.Contains('\0', StringComparison.Ordinal))
        {
            throw Error(
                file,
                $"{place} names {TensorNames.Quote(shard)}; a shard is a *{Extension} file, not an index or "
                    + "another format"
            );
        }

        var folder = Path.GetDirectoryName(file)!;
        var path = Path.GetFullPath(Path.Combine(folder, shard));
        return string.Equals(Path.GetDirectoryName(path), folder, StringComparison.Ordinal)
            ? path
            : throw Error(
                file,
                $"{place} names {TensorNames.Quote(shard)}, which is outside the index's folder; a shard lies "
                    + "beside its index"
            );
    }

    private static void CheckPresent(string file, IReadOnlyCollection<string> shards)
    {
        var missing = shards.Where(shard => !System.IO.File.Exists(shard)).ToArray();
        if (missing.Length > 0)
        {
            throw new FileNotFoundException(
                $"{file}: {missing.Length} of {shards.Count} shards are missing, "
                    + $"{TensorNames.Quote(Path.GetFileName(missing[0]))} for one; put all of them beside the index",
                missing[0]
            );
        }
    }

    private static Dictionary<string, string> ReadMetadata(string file, JsonElement root)
    {
        if (!root.TryGetProperty(MetadataKey, out var metadata) || metadata.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        return metadata.ValueKind == JsonValueKind.Object
            ? metadata
                .EnumerateObject()
                .ToDictionary(entry => entry.Name, entry => entry.Value.ToString(), StringComparer.Ordinal)
            : throw Error(file, $"'{MetadataKey}' is JSON {metadata.ValueKind}; it must be an object");
    }

    private static SafetensorsFormatException Error(string file, string problem, Exception? cause = null) =>
        SafetensorsFormatException.At(file, "index", problem, cause);
}
