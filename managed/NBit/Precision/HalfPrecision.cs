using NBit.Tensors;
using static TorchSharp.torch;

namespace NBit.Precision;

/// <summary>
/// "16-true" and "bf16-true": weights, inputs and arithmetic in float16 or bfloat16, without a scaler.
/// </summary>
/// <remarks>
/// float16 has a smallest number of 6e-8: an optimizer whose epsilon becomes 0 there (the usual 1e-8) divides 0 by 0 at
/// the
/// second step. Such an optimizer is refused; give it an epsilon of 1e-3 or so, or use bfloat16.
/// </remarks>
/// <param name="precision">"bf16-true" for bfloat16; as in Lightning, every other string means float16.</param>
public sealed class HalfPrecision(string precision = "16-true") : PrecisionMode
{
    /// <inheritdoc />
    public override string Name { get; } = precision ?? throw new ArgumentNullException(nameof(precision));

    /// <summary>float16 or bfloat16.</summary>
    public ScalarType DataType { get; } = precision == "bf16-true" ? ScalarType.BFloat16 : ScalarType.Float16;

    /// <inheritdoc />
    public override void ConvertModule(nn.Module model) => TensorCasts.CastModule(model, DataType, complexToo: true);

    /// <inheritdoc />
    public override IDisposable TensorInitContext() => new DefaultDtype(DataType).Enter();

    /// <inheritdoc />
    public override T ConvertInput<T>(T data) => TensorCasts.CastFloating(data, DataType);

    /// <inheritdoc />
    public override T ConvertOutput<T>(T data) => TensorCasts.CastFloating(data, get_default_dtype());

    /// <inheritdoc />
    /// <exception cref="NotSupportedException">The optimizer's epsilon is 0 in float16.</exception>
    public override void CheckOptimizer(optim.Optimizer optimizer, bool clipsGradients)
    {
        if (DataType == ScalarType.Float16)
        {
            OptimizerEpsilon.Check(optimizer);
        }
    }
}
