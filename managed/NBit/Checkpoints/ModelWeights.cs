using NBit.Quantization;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Checkpoints;

/// <summary>The tensors of a file for those of a model: paired and checked first, loaded then.</summary>
/// <remarks>
/// A layer that the file holds quantized gets that weight, whether it was quantized before or not; a quantized layer that
/// the file holds in floating point is quantized anew, as it was, and so are weights that are codes for
/// <see cref="TransformerEngine.Float8.ModelInit" />.
/// </remarks>
internal sealed class ModelWeights
{
    private const string Weight = "weight";
    private const double UsualThreshold = 6;

    private readonly TensorSource _source;
    private readonly List<(string Entry, Tensor Target)> _copied = [];
    private readonly List<(string Entry, Parameter Target)> _requantized = [];
    private readonly List<(QuantizedLayer Layer, Parameter Target)> _quantized = [];
    private readonly List<string> _faults = [];
    private Float8StateLayout? _scales;
    private CodeWeights? _codes;

    private ModelWeights(TensorSource source) => _source = source;

    /// <summary>What does not fit; the others are meaningless where there is something.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>The tensors that are copied element by element, with their names in the file.</summary>
    public IReadOnlyList<(string Entry, Tensor Target)> Copied => _copied;

    /// <summary>All tensors of a model: its state dict, what belongs to quantized weights, and the
    /// scales of modules that multiply in 8 bits.</summary>
    /// <returns>Names and tensors; new ones are in the caller's dispose scope.</returns>
    public static IEnumerable<(string Name, Tensor Tensor)> Of(nn.Module model)
    {
        foreach (var (name, tensor) in model.state_dict())
        {
            yield return (name, tensor);
            if (!IsLayerWeight(name))
            {
                continue;
            }

            foreach (var (companion, own) in BitsandbytesLayout.Companions(LinearWeight.Of(tensor)))
            {
                yield return (LayerOf(name) + companion, own);
            }
        }

        foreach (var scales in Float8StateLayout.Of(model))
        {
            yield return scales;
        }
    }

    /// <summary>Pairs the tensors of a file with those of a model.</summary>
    /// <param name="source">The file.</param>
    /// <param name="model">The model.</param>
    /// <param name="prefix">What the names in the file begin with.</param>
    /// <exception cref="SafetensorsFormatException">A quantized layer in the file is malformed.</exception>
    public static ModelWeights Match(TensorSource source, nn.Module model, string prefix = "")
    {
        var weights = new ModelWeights(source);
        var quantized = QuantizedLayer
            .Find(source)
            .Where(layer => layer.Name.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(layer => layer.Name[prefix.Length..], StringComparer.Ordinal);
        var used = quantized
            .Values.SelectMany(layer => layer.Tensors.Select(entry => entry.Name))
            .ToHashSet(StringComparer.Ordinal);
        var codes = weights._codes = CodeWeights.Match(source, model, prefix);
        weights._faults.AddRange(codes.Faults);
        used.UnionWith(codes.Entries);
        foreach (var (name, target) in model.state_dict())
        {
            if (codes.Holds(name))
            {
                continue;
            }

            if (IsLayerWeight(name) && quantized.Remove(LayerOf(name).TrimEnd('.'), out var layer))
            {
                weights.AddQuantized(name, target, layer, ModuleOf(model, name));
            }
            else
            {
                used.Add(prefix + name);
                weights.AddPlain(prefix + name, name, target);
            }
        }

        // Scales of modules that multiply in 8 bits tell a model that does not nothing.
        var unused = source.Names.Where(name =>
            name.StartsWith(prefix, StringComparison.Ordinal) && !used.Contains(name) && !Float8StateLayout.Holds(name)
        );
        weights._scales = Float8StateLayout.Match(source, model, prefix);
        weights._faults.AddRange(weights._scales.Faults);
        weights._faults.AddRange(
            unused.Select(name => $"{name[prefix.Length..]} is not in the model").Concat(NoLayers(quantized.Keys))
        );
        return weights;
    }

    /// <summary>
    /// Loads. One quantized weight is replaced after the other, so that never more than one is held twice.
    /// </summary>
    public void Load()
    {
        using var grad = no_grad();
        foreach (var (layer, target) in _quantized)
        {
            Replace(target, own => Read(layer, own));
        }

        foreach (var (entry, target) in _requantized)
        {
            using var saved = ReadFloating(entry);
            Replace(target, own => own!.Requantize(saved));
        }

        foreach (var (entry, target) in _copied)
        {
            using var saved = _source.Read(entry);
            target.copy_(saved);
        }

        _scales?.Load();
        _codes?.Load(); // with those scales
    }

    private static void Replace(Parameter target, Func<LinearWeight?, LinearWeight> make)
    {
        using var scope = NewDisposeScope();
        var wrapped = make(LinearWeight.Of(target)).Wrap();
        LinearWeight.MoveState(target, wrapped);
        LinearParameters.Set(target, wrapped);
    }

    private static IEnumerable<string> NoLayers(IEnumerable<string> names) =>
        names.Select(name => $"{name} is quantized but no linear layer of the model");

    private static bool IsLayerWeight(string name) =>
        name == Weight || name.EndsWith('.' + Weight, StringComparison.Ordinal);

    // With the dot that ends it; empty for the model itself.
    private static string LayerOf(string name) => name[..^Weight.Length];

    private static nn.Module? ModuleOf(nn.Module model, string name) =>
        LayerOf(name) is { Length: > 0 } layer
            ? model.named_modules().FirstOrDefault(entry => entry.name == layer.TrimEnd('.')).module
            : model;

    private LinearWeight Read(QuantizedLayer layer, LinearWeight? own) =>
        BitsandbytesLayout.Read(
            _source,
            layer,
            (own as Weight4bit)?.ComputeType,
            (own as Weight8bit)?.Threshold ?? UsualThreshold
        );

    // In a dtype that can be quantized.
    private Tensor ReadFloating(string entry)
    {
        var saved = _source.Read(entry);
        if (saved.dtype is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16)
        {
            return saved;
        }

        using (saved)
        {
            return saved.to(ScalarType.Float32);
        }
    }

    private void AddQuantized(string name, Tensor target, QuantizedLayer layer, nn.Module? module)
    {
        var is8Bit = layer.Format == "int8";
        var fits = module switch
        {
            Linear => true,
            Linear4bit or Embedding4bit => !is8Bit,
            Linear8bitLt { HasFp16Weights: false } or Embedding8bit => is8Bit,
            _ => false,
        };
        if (!fits)
        {
            _faults.Add($"{name} is {layer.Format}, which a {module?.GetType().Name ?? "missing module"} cannot hold");
            return;
        }

        var own = LinearWeight.Of(target);
        long[] shape = own is null ? target.shape : [own.OutFeatures, own.InFeatures];
        if (!layer.Shape.AsSpan().SequenceEqual(shape))
        {
            AddShapeFault(name, layer.Shape, shape);
            return;
        }

        BitsandbytesLayout.Check(_source, layer);
        _quantized.Add((layer, (Parameter)target));
    }

    private void AddPlain(string entryName, string name, Tensor target)
    {
        if (!_source.TryGetEntry(entryName, out var entry))
        {
            _faults.Add($"{name} is missing");
            return;
        }

        var own = LinearWeight.Of(target);
        long[] shape = own is null ? target.shape : [own.OutFeatures, own.InFeatures];
        if (!entry.Shape.SequenceEqual(shape))
        {
            AddShapeFault(name, entry.Shape, shape);
        }
        else if (entry.DataType.ToScalarType() is null)
        {
            _faults.Add($"{name} is {entry.DataType.Code()}, which libtorch has no tensors of");
        }
        else if (own is { IsQuantized: true })
        {
            _requantized.Add((entryName, (Parameter)target));
        }
        else
        {
            _copied.Add((entryName, target));
        }
    }

    private void AddShapeFault(string name, IEnumerable<long> found, IEnumerable<long> wanted) =>
        _faults.Add($"{name} is [{string.Join(", ", found)}], the model has [{string.Join(", ", wanted)}]");
}
