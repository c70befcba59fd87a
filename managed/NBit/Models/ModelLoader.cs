using NBit.Checkpoints;
using NBit.Interop;
using NBit.Logging;
using NBit.Precision;
using NBit.Quantization;
using NBit.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Makes a model and gives it a folder's tensors.</summary>
/// <remarks>
/// The model is made on the meta device, without memory. Everything is checked; then each parameter gets its memory
/// and is read into it, one after the other: there is never a second copy of more than a piece of one.
/// </remarks>
internal sealed class ModelLoader
{
    private const int LongestList = 5;
    private readonly BitsandbytesWeightLoader _quantizedWeights = new();

    private readonly nn.Module _model;
    private readonly TensorSource _tensors;
    private readonly BitsandbytesPrecision? _precision;
    private readonly Dictionary<string, QuantizedLayer> _quantized;
    private readonly List<(nn.Module Module, string Field, string Name)> _parameters = [];
    private readonly List<(Linear Linear, QuantizedLayer Layer)> _layers = [];
    private readonly List<(Linear Linear, string Layer)> _toQuantize = [];

    private ModelLoader(nn.Module model, TensorSource tensors, BitsandbytesPrecision? precision)
    {
        (_model, _tensors, _precision) = (model, tensors, precision);
        _quantized = QuantizedLayer.Find(tensors).ToDictionary(layer => layer.Name, StringComparer.Ordinal);
    }

    /// <summary>Loads a folder of one architecture.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="create">Makes the model, given what the folder holds.</param>
    /// <param name="dtype">The dtype of the weights; null for the one that config.json states, else float32.</param>
    /// <param name="device">Where the weights go; null for the CPU.</param>
    /// <param name="precision">Quantizes linear layers as they are read; null for none.</param>
    public static TModel Load<TConfig, TModel>(
        string folder,
        Func<TConfig, TensorSource, TModel> create,
        ScalarType? dtype,
        Device? device,
        BitsandbytesPrecision? precision
    )
        where TConfig : ModelConfig
        where TModel : nn.Module
    {
        var config = ModelConfig.Load(folder);
        if (config is not TConfig own)
        {
            throw new NotSupportedException(
                $"'{folder}' holds a {config.Architecture}, not a {typeof(TModel).Name}: load it as that"
            );
        }

        using var tensors = TensorSource.Open(folder);
        TModel model;
        using (
            new InitContext(META, new DefaultDtype(CheckDtype(dtype ?? config.Dtype ?? float32)).Enter, emptyInit: true)
        )
        {
            model = create(own, tensors);
        }

        try
        {
            var loader = new ModelLoader(model, tensors, precision);
            loader.Plan(config.Quantization);
            if (precision is not null)
            {
                TorchSharpInterposition.Require();
            }

            loader.Fill(device ?? CPU);
            model.eval();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static ScalarType CheckDtype(ScalarType dtype) =>
        dtype is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float64
            ? dtype
            : throw new ArgumentException(
                $"the dtype is {dtype}; weights can be float32, float16, bfloat16 or float64",
                nameof(dtype)
            );

    private void Plan(BitsandbytesConfig? config)
    {
        if (_quantized.Count > 0)
        {
            _quantizedWeights.Check(config);
        }

        var faults = new List<string>();
        PlanModule(_model, "", faults);
        var linear = _layers.Select(layer => layer.Layer.Name).ToHashSet(StringComparer.Ordinal);
        faults.AddRange(
            _quantized
                .Keys.Where(name => !linear.Contains(name))
                .Select(name => $"{TensorNames.Quote(name)} is quantized but no linear layer of the model")
        );
        if (faults.Count > 0)
        {
            throw new ModelFormatException(
                $"the tensors do not make the model that {ModelConfig.FileName} describes: {Listed(faults)}"
            );
        }

        ReportUnused();
    }

    private void PlanModule(nn.Module module, string prefix, List<string> faults)
    {
        foreach (var (field, parameter) in module.named_parameters(recurse: false))
        {
            if (
                field == "weight"
                && module is Linear linear
                && _quantized.TryGetValue(prefix.TrimEnd('.'), out var layer)
            )
            {
                BitsandbytesLayout.Check(_tensors, layer);
                Compare(layer.Name, layer.Shape.AsSpan(), parameter, faults);
                _layers.Add((linear, layer));
                continue;
            }

            var name = prefix + field;
            if (module is Linear toQuantize && field == "weight" && _precision?.Ignores(prefix.TrimEnd('.')) == false)
            {
                _toQuantize.Add((toQuantize, prefix.TrimEnd('.')));
            }
            else
            {
                _parameters.Add((module, field, name));
            }

            if (!_tensors.TryGetEntry(name, out var entry))
            {
                faults.Add($"{TensorNames.Quote(name)} is missing");
                continue;
            }

            if (
                entry.DataType
                is not (
                    SafetensorsDataType.Float16
                    or SafetensorsDataType.BFloat16
                    or SafetensorsDataType.Float32
                    or SafetensorsDataType.Float64
                )
            )
            {
                faults.Add($"{TensorNames.Quote(name)} is {entry}, where F16, BF16, F32 or F64 is needed");
            }

            Compare(name, entry.Shape.AsSpan(), parameter, faults);
        }

        foreach (var (name, child) in module.named_children())
        {
            PlanModule(child, $"{prefix}{name}.", faults);
        }
    }

    private static void Compare(string name, ReadOnlySpan<long> found, Tensor parameter, List<string> faults)
    {
        if (!found.SequenceEqual(parameter.shape))
        {
            faults.Add(
                $"{TensorNames.Quote(name)} has shape {SafetensorsEntry.ShapeText(found)} instead of "
                    + SafetensorsEntry.ShapeText(parameter.shape)
            );
        }
    }

    private void ReportUnused()
    {
        var used = _parameters
            .Select(parameter => parameter.Name)
            .Concat(_toQuantize.Select(entry => $"{entry.Layer}.weight"))
            .Concat(_layers.SelectMany(layer => layer.Layer.Tensors.Select(entry => entry.Name)))
            .ToHashSet(StringComparer.Ordinal);
        var unused = _tensors.Names.Where(name => !used.Contains(name)).Select(TensorNames.Quote).ToList();
        if (unused.Count > 0)
        {
            Log.Information($"tensors that the model has no place for were not loaded: {Listed(unused)}");
        }
    }

    private void Fill(Device device)
    {
        foreach (var (module, field, name) in _parameters)
        {
            var old = module.get_parameter(field);
            var data = empty(old!.shape, old.dtype, device).DetachFromDisposeScope();
            try
            {
                _tensors.ConvertInto(name, data);
                SetParameter(module, field, data);
            }
            catch
            {
                data.Dispose();
                throw;
            }
        }

        Quantize();
        foreach (var (linear, layer) in _layers)
        {
            _quantizedWeights.Load(_tensors, layer, linear);
        }

        TensorCasts.MoveModule(_model, device); // all is there: notes the device
    }

    // All layers go through the same memory: freed pieces of many sizes between the codes would not be given back.
    private void Quantize()
    {
        if (_toQuantize.Count == 0)
        {
            return;
        }

        using var grad = no_grad();
        using var staging = empty(
            _toQuantize.Max(entry => entry.Linear.weight.numel()),
            _precision!.SourceDtype ?? _toQuantize[0].Linear.weight.dtype,
            CPU
        );
        foreach (var (linear, layer) in _toQuantize)
        {
            using var scope = NewDisposeScope();
            var shape = linear.weight.shape;
            var data = staging.narrow(0, 0, linear.weight.numel()).view(shape);
            _tensors.ConvertInto($"{layer}.weight", data);
            var made = _precision.MakeWeight(layer, _precision.FreezesWeights ? data : data.clone());
            var parameter = LinearParameters.Create(made);
            parameter.requires_grad = !made.IsQuantized;
            linear.weight = parameter;
            if (_precision.FreezesBias && linear.bias is not null)
            {
                linear.bias.requires_grad = false;
            }
        }
    }

    // libtorch lets no tensor change from meta to another device, so the layers get new parameters.
    private static void SetParameter(nn.Module module, string field, Tensor data)
    {
        var parameter = nn.Parameter(data);
        switch (module, field)
        {
            case (Linear linear, "weight"):
                linear.weight = parameter;
                break;
            case (Linear linear, "bias"):
                linear.bias = parameter;
                break;
            case (LayerNorm norm, "weight"):
                norm.weight = parameter;
                break;
            case (LayerNorm norm, "bias"):
                norm.bias = parameter;
                break;
            case (Embedding embedding, "weight"):
                TokenEmbedding.SetWeight(embedding, parameter);
                break;
            case (RmsNorm norm, "weight"):
                norm.Weight = parameter;
                break;
            default:
                throw new NotSupportedException($"parameter '{field}' of a {module.GetName()} cannot be set");
        }
    }

    private static string Listed(List<string> items) =>
        string.Join("; ", items.Take(LongestList))
        + (items.Count > LongestList ? $"; and {items.Count - LongestList} more" : "");
}
