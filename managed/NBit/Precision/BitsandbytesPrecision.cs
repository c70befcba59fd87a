using System.Text.Json.Nodes;
using NBit.Devices;
using NBit.Interop;
using NBit.Quantization;
using NBit.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Precision;

/// <summary>
/// "nf4", "nf4-dq", "fp4", "fp4-dq", "int8" and "int8-training": the weights of all linear layers in 4 or 8 bits, after
/// bitsandbytes.
/// </summary>
/// <remarks>
/// Layers are converted in place: module objects, their names and their types stay. Biases of converted layers get the
/// mode's dtype at once, so that running a model does not change it. In the 4-bit modes weights and biases of converted
/// layers are frozen (biases of layers made in <see cref="ModuleInitContext" /> are not, as in Lightning), in "int8"
/// weights; add trainable ones by <see cref="Lora" />. In "int8-training" weights stay in floating point, are quantized
/// in each forward pass, and can be trained.
/// </remarks>
public sealed class BitsandbytesPrecision : PrecisionMode
{
    private const int Blocksize = 64;
    private const double OutlierThreshold = 6;

    private readonly BitsandbytesMode _mode;

    /// <summary>Creates the mode.</summary>
    /// <param name="mode">"nf4", "nf4-dq", "fp4", "fp4-dq", "int8" or "int8-training".</param>
    /// <param name="dtype">What inputs are cast to and products of 4-bit weights are computed in: bfloat16
    /// (the usual one),
    /// float16, float32 or float64; in the 8-bit modes float16.</param>
    /// <param name="ignoreModules">Linear layers whose full name begins with one of these are left as they are.</param>
    /// <param name="allowNonFinite">Whether weights may hold NaN and infinities.</param>
    /// <exception cref="ArgumentException">There is no such mode, or it does not take that dtype.</exception>
    public BitsandbytesPrecision(
        string mode,
        ScalarType? dtype = null,
        IEnumerable<string>? ignoreModules = null,
        bool allowNonFinite = false
    )
    {
        ArgumentNullException.ThrowIfNull(mode);
        var isInt8 = mode.StartsWith("int8", StringComparison.Ordinal);
        if (isInt8 && dtype is not (null or ScalarType.Float16))
        {
            throw new ArgumentException(
                $"'{mode}' only works with `dtype=torch.float16`, but you chose `torch.{TorchName(dtype.Value)}`.",
                nameof(dtype)
            );
        }

        if (!BitsandbytesMode.All.TryGetValue(mode, out var known))
        {
            throw new ArgumentException(
                $"'{mode}' is no mode of BitsandbytesPrecision; it has "
                    + string.Join(", ", BitsandbytesMode.All.Keys.Select(name => $"'{name}'")),
                nameof(mode)
            );
        }

        DataType = dtype ?? (isInt8 ? ScalarType.Float16 : ScalarType.BFloat16);
        Linear4bit.CheckComputeDtype(DataType);
        Name = mode;
        _mode = known;
        IgnoreModules = [.. ignoreModules ?? []];
        AllowNonFinite = allowNonFinite;
    }

    /// <summary>The names of the modes.</summary>
    public static IReadOnlyList<string> Modes { get; } = [.. BitsandbytesMode.All.Keys];

    /// <inheritdoc />
    public override string Name { get; }

    /// <summary>What inputs are cast to and 4-bit products are computed in.</summary>
    public ScalarType DataType { get; }

    /// <summary>Whether the weights of converted layers cannot be trained, so that training needs adapters.</summary>
    public bool FreezesWeights => !_mode.Trains;

    /// <summary>The beginnings of the full names of layers that are left as they are.</summary>
    public IReadOnlyList<string> IgnoreModules { get; }

    /// <summary>Whether weights may hold NaN and infinities.</summary>
    public bool AllowNonFinite { get; }

    /// <summary>
    /// Quantizes the weights of all linear layers in the model, except ignored ones. A model whose layers are
    /// as this mode
    /// makes them, because it was converted or loaded before, keeps its weights; a linear layer that is
    /// itself the model
    /// is left as it is.
    /// </summary>
    /// <param name="model">The model; as it was if this throws.</param>
    /// <exception cref="ArgumentException">The model has no linear layer, or a weight is not finite, not
    /// floating-point or
    /// not on the CPU.</exception>
    /// <exception cref="InvalidOperationException">The model is quantized in another way, or in part; or
    /// TorchSharp's linear
    /// was called before NBit was there.</exception>
    public override void ConvertModule(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        TorchSharpInterposition.Require();
        var modules = model.named_modules().Prepend((name: "", module: model)).ToList();
        var adapters = LoraAdapter.ModulesIn(model);
        var linears = modules
            .Where(entry => entry.module is Linear && !adapters.Contains(entry.module))
            .Select(entry => (Name: entry.name, Layer: (Linear)entry.module))
            .ToList();
        var layers = linears
            .Where(entry => !ReferenceEquals(entry.Layer, model) && !Ignores(entry.Name))
            .DistinctBy(entry => entry.Layer.weight, ReferenceEqualityComparer.Instance)
            .ToList();
        CheckNotQuantized(modules.Where(entry => entry.module is Linear4bit or Linear8bitLt), layers);
        if (linears.Count == 0)
        {
            throw new ArgumentException(
                "You are using the bitsandbytes precision plugin, but your model has no Linear layers. This plugin "
                    + "won't work for your model.",
                nameof(model)
            );
        }

        Convert(layers.Where(entry => !IsMadeByThis(entry.Layer)));
        foreach (var weight in layers.Select(entry => LinearWeight.Of(entry.Layer.weight)).OfType<Weight4bit>())
        {
            weight.ComputeType = DataType;
        }

        TensorCasts.Cast(layers.Select(entry => entry.Layer.bias).OfType<Tensor>(), DataType);
        foreach (var parameter in model.parameters())
        {
            DeferredInitializers.Complete(parameter);
        }
    }

    /// <inheritdoc />
    public override IDisposable TensorInitContext() => new DefaultDtype(DataType).Enter();

    /// <summary>
    /// Begins a scope in which new modules get this mode's dtype, and in which the weights of linear layers take no
    /// memory before <see cref="ConvertModule" /> makes, quantizes and frees one after the other.
    /// </summary>
    /// <returns>Ends the scope.</returns>
    public override IDisposable ModuleInitContext() => new InitScope(TensorInitContext(), new DeferredInitializers());

    /// <inheritdoc />
    public override IDisposable ForwardContext() => TensorInitContext();

    /// <inheritdoc />
    public override T ConvertInput<T>(T data) => TensorCasts.CastFloating(data, DataType);

    /// <inheritdoc />
    public override T ConvertOutput<T>(T data) => TensorCasts.CastFloating(data, get_default_dtype());

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">A parameter that it trains is float16, as biases are in the 8-bit modes,
    /// and its epsilon is 0 in float16.</exception>
    public override void CheckOptimizer(optim.Optimizer optimizer, bool clipsGradients)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (optimizer.parameters().Any(trained => trained is { requires_grad: true, dtype: ScalarType.Float16 }))
        {
            OptimizerEpsilon.Check(optimizer);
        }
    }

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">As by <see cref="CheckOptimizer" />, which may have come before the
    /// conversion.</exception>
    public override Tensor? OptimizerStep(
        optim.Optimizer optimizer,
        Func<Tensor?>? closure = null,
        Action? beforeStep = null,
        bool keepsUnscaling = false
    )
    {
        CheckOptimizer(optimizer, clipsGradients: false);
        return base.OptimizerStep(optimizer, closure, beforeStep, keepsUnscaling);
    }

    /// <summary>libtorch's name of a dtype, as messages of the peer have it.</summary>
    private static string TorchName(ScalarType dtype) => dtype.ToString().ToLowerInvariant();

    private bool IsMadeByThis(Linear layer) =>
        LinearWeight.Of(layer.weight) switch
        {
            Weight4bit four => four.State.QuantType == _mode.QuantType
                && four.State.Nested is not null == _mode.CompressStatistics,
            Weight8bit => _mode is { QuantType: null, Trains: false },
            TrainableWeight8bit => _mode.Trains,
            _ => false,
        };

    private void CheckNotQuantized(
        IEnumerable<(string Name, nn.Module Module)> own,
        List<(string Name, Linear Layer)> layers
    )
    {
        var quantized = layers
            .Where(entry => LinearWeight.Of(entry.Layer.weight) is not (null or FloatWeight))
            .ToList();
        var name =
            own.Select(entry => entry.Name).FirstOrDefault()
            ?? (
                quantized.Count > 0 && !layers.TrueForAll(entry => IsMadeByThis(entry.Layer)) ? quantized[0].Name : null
            );
        if (name is not null)
        {
            throw new InvalidOperationException(
                $"'{name}' is quantized already, and '{Name}' takes models in floating point, or ones that it "
                    + "quantized itself: give it the model before it is quantized, ignore those modules, or use no "
                    + "plugin"
            );
        }
    }

    private void Convert(IEnumerable<(string Name, Linear Layer)> layers)
    {
        // All weights are made before the first one is replaced: what fails, fails before anything was changed.
        // Those that have to be initialized first are so in one memory: the heap keeps what is freed between others.
        var list = layers.ToList();
        var converted = new List<(Linear Layer, Tensor Weight, bool WasDeferred)>();
        using var memory = _mode.Trains
            ? null
            : empty([list.Select(entry => entry.Layer.weight.numel()).DefaultIfEmpty().Max()], DataType);
        try
        {
            foreach (var (name, layer) in list)
            {
                var quantized = Quantize(name, layer.weight, memory, out var wasDeferred);
                converted.Add((layer, quantized, wasDeferred));
            }

            foreach (var (layer, weight, wasDeferred) in converted)
            {
                DeferredInitializers.Forget(layer.weight);
                LinearWeight.MoveState(layer.weight, weight);
                LinearParameters.Set(layer.weight, weight);
                if (FreezesBias && !wasDeferred && layer.bias is not null)
                {
                    layer.bias.requires_grad = false;
                }
            }
        }
        finally
        {
            converted.ForEach(entry => entry.Weight.Dispose());
        }
    }

    /// <summary>Whether the biases of converted layers are frozen, as bitsandbytes' 4-bit modes have it.</summary>
    internal bool FreezesBias => _mode.QuantType is not null;

    /// <summary>What weights are rounded to before they are quantized; null for their own dtype.</summary>
    internal ScalarType? SourceDtype => _mode is { QuantType: null, Trains: false } ? ScalarType.Float16 : null;

    /// <summary>The weight that a layer gets in this mode.</summary>
    /// <param name="name">The layer's name, for messages.</param>
    /// <param name="weight">[out, in].</param>
    /// <exception cref="ArgumentException">It cannot be quantized.</exception>
    internal LinearWeight MakeWeight(string name, Tensor weight)
    {
        LinearWeight made;
        try
        {
            made = _mode switch
            {
                { QuantType: { } type } => Weight4bit.Quantize(
                    weight.dtype == ScalarType.Float64 ? weight.to(ScalarType.Float32) : weight,
                    type,
                    Blocksize,
                    _mode.CompressStatistics,
                    DataType
                ),
                { Trains: true } => new TrainableWeight8bit(Own(weight), OutlierThreshold),
                _ => Weight8bit.Quantize(weight, OutlierThreshold),
            };
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new ArgumentException($"{name}.weight cannot be quantized: {error.Message}", error);
        }

        if (AllowNonFinite || made.IsFinite)
        {
            return made;
        }

        made.Dispose();
        throw new ArgumentException(
            $"{name}.weight cannot be quantized: it holds NaN or infinities; allowNonFinite: true takes it as it is"
        );
    }

    // A weight in memory of its own: an adapter's, or another layer's, begins where the tensor does.
    private static Tensor Own(Tensor weight)
    {
        Blocks4.CheckFloating(weight, nameof(weight));
        DenseTensor.CheckDevice(weight, nameof(weight));
        return LinearWeight.Of(weight) is null ? weight : weight.clone();
    }

    /// <summary>The quantization_config of a config.json, as transformers writes it.</summary>
    internal JsonObject ToConfig() =>
        new()
        {
            ["_load_in_4bit"] = _mode.QuantType is not null,
            ["_load_in_8bit"] = _mode.QuantType is null,
            ["bnb_4bit_compute_dtype"] = TorchName(_mode.QuantType is null ? ScalarType.Float32 : DataType),
            ["bnb_4bit_quant_storage"] = "uint8",
            ["bnb_4bit_quant_type"] = _mode.QuantType == QuantType.NF4 ? "nf4" : "fp4",
            ["bnb_4bit_use_double_quant"] = _mode.CompressStatistics,
            ["llm_int8_enable_fp32_cpu_offload"] = false,
            ["llm_int8_has_fp16_weight"] = false,
            ["llm_int8_skip_modules"] = IgnoreModules.Count == 0 ? null : new JsonArray([.. IgnoreModules]),
            ["llm_int8_threshold"] = OutlierThreshold,
            ["load_in_4bit"] = _mode.QuantType is not null,
            ["load_in_8bit"] = _mode.QuantType is null,
            ["quant_method"] = "bitsandbytes",
        };

    /// <summary>Whether a layer is left as it is.</summary>
    internal bool Ignores(string name) =>
        IgnoreModules.Any(ignored => name.StartsWith(ignored, StringComparison.Ordinal));

    private Tensor Quantize(string name, Parameter weight, Tensor? memory, out bool wasDeferred)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var drawn = DeferredInitializers.Draw(weight, memory);
        wasDeferred = drawn is not null;
        return MakeWeight(name, drawn ?? weight.detach()).Wrap().DetachFromDisposeScope();
    }

    private sealed class InitScope(IDisposable dtype, DeferredInitializers initializers) : IDisposable
    {
        public void Dispose()
        {
            initializers.Dispose();
            dtype.Dispose();
        }
    }
}
