using System.Collections.Concurrent;
using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Golden;

/// <summary>The tensors of a recorded safetensors file; none where the folder lacks it.</summary>
public sealed class GoldenTensors
{
    private static readonly ConcurrentDictionary<string, GoldenTensors> Files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);

    private GoldenTensors(string file)
    {
        File = file;
        if (System.IO.File.Exists(GoldenFolder.PathOf(file)))
        {
            using var reader = SafetensorsReader.Open(GoldenFolder.PathOf(file));
            _entries = reader.Header.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        }

        Names = [.. _entries.Keys.Order(StringComparer.Ordinal)];
    }

    /// <summary>The file, as a path below the golden folder.</summary>
    public string File { get; }

    public IReadOnlyList<string> Names { get; }

    public static GoldenTensors Of(string file) => Files.GetOrAdd(file, name => new(name));

    public bool Has(string name) => _entries.ContainsKey(name);

    public long[] Shape(string name) => [.. _entries[name].Shape];

    public Tensor Read(string name)
    {
        using var reader = SafetensorsReader.Open(GoldenFolder.PathOf(File));
        return reader.Read(name);
    }
}
