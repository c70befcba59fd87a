using NBit.Amp;
using NBit.Devices;
using NBit.Interop;
using NBit.Logging;
using NBit.Quantization;
using NBit.Tensors;
using NBit.TransformerEngine;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Precision;

/// <summary>
/// "transformer-engine" and "transformer-engine-float16": linear layers multiply in 8 bits, after Transformer Engine.
/// </summary>
/// <remarks>
/// Layers are converted in place, whatever their size: module objects, their names and their types stay. Weights, norms'
/// too, get <see cref="WeightsDataType" /> and are trained in it; operations that no layer of 8 bits does run under
/// autocast. In a model with modules of <see cref="TransformerEngine.Modules" /> only dtypes are converted.
/// </remarks>
public sealed class TransformerEnginePrecision : PrecisionMode
{
    /// <summary>Creates the mode.</summary>
    /// <param name="weightsDtype">bfloat16 or float16, or float32.</param>
    /// <param name="recipe">How operands are scaled and cast; null for <see cref="DelayedScaling" />.
    /// <see cref="Float8Recipe.FromDictionary" /> reads Lightning's form.</param>
    /// <param name="replaceLayers">Whether linear layers are converted; null for those of models that have no modules of
    /// <see cref="TransformerEngine.Modules" />, as true.</param>
    /// <param name="fallbackComputeDtype">What other operations are cast to, bfloat16 or float16; null for
    /// <paramref name="weightsDtype" />.</param>
    /// <exception cref="ArgumentException">A dtype is another one.</exception>
    public TransformerEnginePrecision(
        ScalarType weightsDtype,
        Float8Recipe? recipe = null,
        bool? replaceLayers = null,
        ScalarType? fallbackComputeDtype = null
    )
    {
        Check(weightsDtype, nameof(weightsDtype));
        Check(fallbackComputeDtype ?? weightsDtype, nameof(fallbackComputeDtype));
        WeightsDataType = weightsDtype;
        Recipe = recipe ?? new DelayedScaling();
        ReplaceLayers = replaceLayers;
        FallbackComputeDataType = fallbackComputeDtype ?? weightsDtype;
    }

    /// <summary>"transformer-engine", as Lightning's plugin calls itself whatever the weights' dtype is.</summary>
    public override string Name => "transformer-engine";

    /// <summary>The dtype of weights.</summary>
    public ScalarType WeightsDataType { get; }

    /// <summary>How operands are scaled and cast.</summary>
    public Float8Recipe Recipe { get; }

    /// <summary>Whether linear layers are converted.</summary>
    public bool? ReplaceLayers { get; }

    /// <summary>What other operations are cast to.</summary>
    public ScalarType FallbackComputeDataType { get; }

    /// <summary>
    /// Converts the linear layers of a model in place, and all weights to <see cref="WeightsDataType" />. A model that was
    /// converted before keeps its scales.
    /// </summary>
    /// <param name="model">The model; as it was if this throws.</param>
    /// <exception cref="InvalidOperationException">A layer is quantized in another way, or TorchSharp's linear was called
    /// before NBit was there.</exception>
    /// <exception cref="NotSupportedException">A weight is not on the CPU.</exception>
    public override void ConvertModule(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        TorchSharpInterposition.Require();
        var modules = model.named_modules().Prepend((name: "", module: model)).ToList();
        CheckNotQuantized(modules);
        var hasOwn = modules.Exists(entry => entry.module is IFloat8Module);
        if (hasOwn && ReplaceLayers == true)
        {
            Log.Information(
                "`TransformerEnginePrecision(replace_layers=True)` is set but the model already contains TransformerEngine "
                    + "layers. Skipping"
            );
        }

        var layers = hasOwn || ReplaceLayers == false ? [] : LayersOf(model, modules);
        var weights = layers
            .Select(entry => (Tensor)entry.Layer.weight)
            .ToHashSet<Tensor>(ReferenceEqualityComparer.Instance);
        TensorCasts.Replace(
            ModuleTensors.Of(model),
            tensor =>
                weights.Contains(tensor)
                    ? MakeWeight(tensor)
                    : TensorCasts.Cast(tensor, WeightsDataType, complexToo: true)
        );
        if (layers.Count > 0)
        {
            Log.Information(
                $"{layers.Count} linear layers multiply in 8 bits: {string.Join(", ", layers.Select(entry => entry.Name))}"
            );
        }
    }

    /// <inheritdoc />
    public override IDisposable TensorInitContext() => new DefaultDtype(WeightsDataType).Enter();

    /// <summary>
    /// Begins the scope of a forward pass: the default dtype, autocast to <see cref="FallbackComputeDataType" />, and
    /// <see cref="Float8.Autocast" />.
    /// </summary>
    /// <returns>Ends the scope.</returns>
    public override IDisposable ForwardContext() => new Context(this);

    /// <inheritdoc />
    public override T ConvertInput<T>(T data) => TensorCasts.CastFloating(data, WeightsDataType);

    /// <inheritdoc />
    public override T ConvertOutput<T>(T data) => TensorCasts.CastFloating(data, get_default_dtype());

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">Weights are float16, and the optimizer's epsilon is 0 there.</exception>
    public override void CheckOptimizer(optim.Optimizer optimizer, bool clipsGradients)
    {
        if (WeightsDataType == ScalarType.Float16)
        {
            OptimizerEpsilon.Check(optimizer);
        }
    }

    private static void Check(ScalarType dtype, string name)
    {
        if (dtype is not (ScalarType.BFloat16 or ScalarType.Float16 or ScalarType.Float32))
        {
            throw new ArgumentException($"{name} is {dtype}; allowed are BFloat16, Float16 and Float32", name);
        }
    }

    private static void CheckNotQuantized(IEnumerable<(string Name, nn.Module Module)> modules)
    {
        var quantized = modules.FirstOrDefault(entry =>
            entry.Module is Linear4bit or Linear8bitLt
            || (
                entry.Module is Linear linear
                && LinearWeight.Of(linear.weight) is not (null or FloatWeight or Float8Weight)
            )
        );
        if (quantized.Module is not null)
        {
            throw new InvalidOperationException(
                $"'{quantized.Name}' is quantized by bitsandbytes' rules, and its products are not those of Transformer Engine: "
                    + "give this mode the model before it is quantized, or use one of the two modes"
            );
        }
    }

    // Those with a state stay as they are, and so do adapters, whose inner size is small.
    private static List<(string Name, Linear Layer)> LayersOf(
        nn.Module model,
        List<(string Name, nn.Module Module)> modules
    )
    {
        var adapters = LoraAdapter.ModulesIn(model);
        return modules
            .Where(entry => entry.Module is Linear && !adapters.Contains(entry.Module))
            .Select(entry => (entry.Name, Layer: (Linear)entry.Module))
            .Where(entry => entry.Layer.weight.numel() > 0 && Float8States.Of(entry.Layer) is null)
            .DistinctBy(entry => entry.Layer.weight, ReferenceEqualityComparer.Instance)
            .ToList();
    }

    // In memory of its own: an adapter's weight begins where the layer's does.
    private Tensor MakeWeight(Tensor weight)
    {
        DenseTensor.CheckDevice(weight, nameof(weight));
        using var detached = weight.detach();
        return new Float8Weight(detached.to(WeightsDataType, copy: LinearWeight.Of(weight) is not null)).Wrap();
    }

    private sealed class Context : IDisposable
    {
        private readonly DefaultDtype _dtype;
        private readonly Autocast _autocast;
        private readonly IDisposable _region;

        public Context(TransformerEnginePrecision mode)
        {
            _dtype = new DefaultDtype(mode.WeightsDataType).Enter();
            var falls = mode.FallbackComputeDataType != ScalarType.Float32; // libtorch's autocast has no float32
            _autocast = new(DeviceType.CPU, falls ? mode.FallbackComputeDataType : ScalarType.BFloat16, enabled: falls);
            _region = Float8.Autocast(mode.Recipe);
        }

        public void Dispose()
        {
            _region.Dispose();
            _autocast.Dispose();
            _dtype.Dispose();
        }
    }
}
