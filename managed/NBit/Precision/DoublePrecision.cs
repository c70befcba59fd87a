using NBit.Tensors;
using static TorchSharp.torch;

namespace NBit.Precision;

/// <summary>"64-true": weights, inputs and arithmetic in float64.</summary>
public sealed class DoublePrecision : PrecisionMode
{
    /// <inheritdoc />
    public override string Name => "64-true";

    /// <inheritdoc />
    public override void ConvertModule(nn.Module model) =>
        TensorCasts.CastModule(model, ScalarType.Float64, complexToo: false);

    /// <inheritdoc />
    public override IDisposable TensorInitContext() => new DefaultDtype(ScalarType.Float64).Enter();

    /// <inheritdoc />
    public override T ConvertInput<T>(T data) => TensorCasts.CastFloating(data, ScalarType.Float64);

    /// <inheritdoc />
    public override T ConvertOutput<T>(T data) => TensorCasts.CastFloating(data, get_default_dtype());
}
