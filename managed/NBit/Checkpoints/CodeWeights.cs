using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>The weights that a model holds as codes alone (<see cref="Float8.ModelInit" />) and a file in floating point:
/// they are cast, so that a model can be loaded that was trained as ever.</summary>
internal sealed class CodeWeights
{
    private readonly TensorSource _source;
    private readonly List<(IReadOnlyList<string> Entries, PrimaryWeight Weight)> _weights = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly List<string> _faults = [];

    private CodeWeights(TensorSource source) => _source = source;

    /// <summary>What does not fit.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>What is read from the file.</summary>
    public IEnumerable<string> Entries => _weights.SelectMany(weight => weight.Entries);

    /// <summary>Pairs the floating-point weights of a file with the codes of a model.</summary>
    /// <param name="source">The file.</param>
    /// <param name="model">The model.</param>
    /// <param name="prefix">What the names in the file begin with.</param>
    public static CodeWeights Match(TensorSource source, nn.Module model, string prefix)
    {
        var weights = new CodeWeights(source);
        foreach (var (module, weight) in MasterWeights.PrimariesIn(model))
        {
            weights.Add(prefix, module, weight);
        }

        return weights;
    }

    /// <summary>Whether a tensor of the model is set by <see cref="Load" />.</summary>
    public bool Holds(string name) => _names.Contains(name);

    /// <summary>Casts what was matched.</summary>
    public void Load()
    {
        foreach (var (entries, weight) in _weights)
        {
            using var scope = NewDisposeScope();
            weight.Load(cat([.. entries.Select(Read)], 0));
        }
    }

    private void Add(string prefix, string module, PrimaryWeight weight)
    {
        var parts = weight.Parts;
        var entries = parts.Select(part => prefix + module + part.Name).ToList();
        if (!entries.TrueForAll(IsFloating))
        {
            return;
        }

        foreach (var (entry, (name, size)) in entries.Zip(parts))
        {
            _source.TryGetEntry(entry, out var found);
            long[] shape = [size, weight.InFeatures];
            if (!found!.Shape.SequenceEqual(shape))
            {
                _faults.Add(
                    $"{module}{name} is [{string.Join(", ", found.Shape)}], the model has [{string.Join(", ", shape)}]"
                );
            }
        }

        _weights.Add((entries, weight));
        _names.UnionWith(weight.TensorNames.Select(name => module + name));
    }

    private bool IsFloating(string entry) =>
        _source.TryGetEntry(entry, out var found)
        && found.DataType.ToScalarType()
            is ScalarType.Float64
                or ScalarType.Float32
                or ScalarType.Float16
                or ScalarType.BFloat16;

    // In a dtype that can be cast.
    private Tensor Read(string entry)
    {
        var saved = _source.Read(entry);
        return saved.dtype == ScalarType.Float64 ? saved.to(ScalarType.Float32) : saved;
    }
}
