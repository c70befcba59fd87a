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
/// Layers are converted in place: module objects, their names and their types stay. In the 4-bit modes weights and biases
/// of converted layers are frozen, in "int8" weights; add trainable ones by <see cref="Lora" />. In "int8-training" weights
/// stay in floating point, are quantized in each forward pass, and can be trained.
/// </remarks>
public sealed class BitsandbytesPrecision : PrecisionMode
{
    private const int Blocksize = 64;
    private const double OutlierThreshold = 6;

    private readonly BitsandbytesMode _mode;

    /// <summary>Creates the mode.</summary>
    /// <param name="mode">"nf4", "nf4-dq", "fp4", "fp4-dq", "int8" or "int8-training".</param>
    /// <param name="dtype">What inputs are cast to and products of 4-bit weights are computed in: bfloat16 (the usual one),
    /// float16 or float32; in the 8-bit modes float16.</param>
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
                $"'int8' only works with `dtype=torch.float16`, but you chose `torch.{TorchName(dtype.Value)}`.",
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
    /// Quantizes the weights of all linear layers in the model, except ignored ones. A model that has quantized layers
    /// already is left as it is; so is a linear layer that is itself the model.
    /// </summary>
    /// <param name="model">The model; as it was if this throws.</param>
    /// <exception cref="ArgumentException">The model has no linear layer, or a weight is not finite, not floating-point or
    /// not on the CPU.</exception>
    /// <exception cref="InvalidOperationException">TorchSharp's linear was called before NBit was there.</exception>
    public override void ConvertModule(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        TorchSharpInterposition.Require();
        var adapters = LoraAdapter.ModulesIn(model);
        var layers = model
            .named_modules()
            .Where(entry => entry.module is Linear && !adapters.Contains(entry.module))
            .ToList();
        var has4Or8Bits = model.modules().Prepend(model).Any(IsQuantized);
        if (layers.Count == 0 && model is not Linear && !has4Or8Bits)
        {
            throw new ArgumentException(
                "You are using the bitsandbytes precision plugin, but your model has no Linear layers. This plugin "
                    + "won't work for your model.",
                nameof(model)
            );
        }

        if (!has4Or8Bits)
        {
            Convert(
                layers
                    .Where(entry => !IgnoreModules.Any(name => entry.name.StartsWith(name, StringComparison.Ordinal)))
                    .Select(entry => (entry.name, (Linear)entry.module))
                    .Where(entry => !ReferenceEquals(entry.Item2, model))
                    .DistinctBy(entry => entry.Item2.weight, ReferenceEqualityComparer.Instance)
            );
        }

        foreach (var parameter in model.parameters())
        {
            DeferredInitializers.Complete(parameter);
        }
    }

    /// <inheritdoc />
    public override IDisposable TensorInitContext() => new DefaultDtype(DataType).Enter();

    /// <summary>
    /// Begins a scope in which new modules get this mode's dtype, and in which the weights of linear layers take no memory
    /// before <see cref="ConvertModule" /> makes, quantizes and frees one after the other.
    /// </summary>
    /// <returns>Ends the scope.</returns>
    public override IDisposable ModuleInitContext() => new InitScope(TensorInitContext(), new DeferredInitializers());

    /// <inheritdoc />
    public override IDisposable ForwardContext() => TensorInitContext();

    /// <inheritdoc />
    public override T ConvertInput<T>(T data) => TensorCasts.CastFloating(data, DataType);

    /// <inheritdoc />
    public override T ConvertOutput<T>(T data) => TensorCasts.CastFloating(data, get_default_dtype());

    /// <summary>libtorch's name of a dtype, as messages of the peer have it.</summary>
    private static string TorchName(ScalarType dtype) => dtype.ToString().ToLowerInvariant();

    private static bool IsQuantized(nn.Module module) =>
        module switch
        {
            Linear4bit or Linear8bitLt or Embedding4bit or Embedding8bit => true,
            Linear linear => LinearWeight.Of(linear.weight) is not (null or FloatWeight),
            _ => false,
        };

    private void Convert(IEnumerable<(string Name, Linear Layer)> layers)
    {
        // All weights are made before the first one is replaced: what fails, fails before anything was changed.
        // Those that have to be initialized first are so in one memory: the heap keeps what is freed between others.
        var list = layers.ToList();
        var converted = new List<(Linear Layer, Tensor Weight)>();
        using var memory = _mode.Trains
            ? null
            : empty([list.Select(entry => entry.Layer.weight.numel()).DefaultIfEmpty().Max()], DataType);
        try
        {
            foreach (var (name, layer) in list)
            {
                converted.Add((layer, Quantize(name, layer.weight, memory)));
            }

            foreach (var (layer, weight) in converted)
            {
                DeferredInitializers.Forget(layer.weight);
                LinearWeight.MoveAdapter(layer.weight, weight);
                LinearParameters.Set(layer.weight, weight);
                if (_mode.QuantType is not null && layer.bias is not null)
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

    private Tensor Quantize(string name, Parameter weight, Tensor? memory)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        try
        {
            var made = MakeWeight(DeferredInitializers.Draw(weight, memory) ?? weight.detach());
            return AllowNonFinite || made.IsFinite ? made.Wrap().DetachFromDisposeScope() : throw NonFinite(made);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new ArgumentException($"{name}.weight cannot be quantized: {error.Message}", error);
        }
    }

    // A weight in memory of its own: an adapter's, or another layer's, begins where the tensor does.
    private static Tensor Own(Tensor weight)
    {
        Blocks4.CheckFloating(weight, nameof(weight));
        DenseTensor.CheckDevice(weight, nameof(weight));
        return LinearWeight.Of(weight) is null ? weight : weight.clone();
    }

    private static ArgumentException NonFinite(LinearWeight weight)
    {
        weight.Dispose();
        return new ArgumentException("it holds NaN or infinities; allowNonFinite: true takes it as it is");
    }

    private LinearWeight MakeWeight(Tensor weight) =>
        _mode switch
        {
            { QuantType: { } type } => Weight4bit.Quantize(weight, type, Blocksize, _mode.CompressStatistics, DataType),
            { Trains: true } => new TrainableWeight8bit(Own(weight), OutlierThreshold),
            _ => Weight8bit.Quantize(weight, OutlierThreshold),
        };

    private sealed class InitScope(IDisposable dtype, DeferredInitializers initializers) : IDisposable
    {
        public void Dispose()
        {
            initializers.Dispose();
            dtype.Dispose();
        }
    }
}
