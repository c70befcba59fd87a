using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>A linear layer that multiplies in 8 bits, LLM.int8() (arXiv:2208.07339; bitsandbytes' <c>Linear8bitLt</c>).</summary>
/// <remarks>
/// Inputs are rounded to float16 and quantized by rows; those of at least the threshold's magnitude are outliers, whose
/// columns are multiplied in floating point. The result comes back in the input's dtype. Training and evaluation compute
/// the same.
/// </remarks>
public sealed class Linear8bitLt : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates a layer with the usual random weights.</summary>
    /// <param name="inputFeatures">The number of inputs, 1 or more.</param>
    /// <param name="outputFeatures">The number of outputs, 1 or more.</param>
    /// <param name="hasBias">Whether there is a bias.</param>
    /// <param name="hasFp16Weights">True: the weight stays in floating point, is quantized in each forward pass and can be
    /// trained. False: it is held as int8 and frozen.</param>
    /// <param name="threshold">The magnitude of outliers; 0 for none. The usual one is 6.</param>
    /// <param name="dtype">The dtype of bias and unquantized weight; null for the default dtype.</param>
    public Linear8bitLt(
        long inputFeatures,
        long outputFeatures,
        bool hasBias = true,
        bool hasFp16Weights = true,
        double threshold = 0,
        ScalarType? dtype = null
    )
        : base(nameof(Linear8bitLt))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputFeatures, 1);
        Rows8.CheckThreshold(threshold);
        using var linear = nn.Linear(inputFeatures, outputFeatures, hasBias, dtype: dtype);
        weight = MakeWeight(linear, hasFp16Weights, threshold);
        bias = Linear4bit.CopyBias(linear);
    }

    private Linear8bitLt(Parameter weight, Parameter? bias)
        : base(nameof(Linear8bitLt))
    {
        this.weight = weight;
        this.bias = bias;
    }

    /// <summary>The weight: int8 [out, in], or floating-point with <see cref="HasFp16Weights" />.</summary>
    public Parameter weight
    {
        get;
        private set // by Module.to(), through reflection
        {
            field = LinearParameters.Succeed(field, value);
            ConditionallyRegisterParameter(nameof(weight), field);
        }
    }

    /// <summary>The bias [out], or null.</summary>
    public Parameter? bias
    {
        get;
        private set // by Module.to(), through reflection
        {
            field = value;
            ConditionallyRegisterParameter(nameof(bias), value);
        }
    }

    /// <summary>The number of inputs.</summary>
    public long InFeatures => weight.shape[1];

    /// <summary>The number of outputs.</summary>
    public long OutFeatures => weight.shape[0];

    /// <summary>Whether the weight is in floating point and can be trained.</summary>
    public bool HasFp16Weights => Own is TrainableWeight8bit;

    /// <summary>The absmax of each row of the weight, float32 [out] (SCB); null with <see cref="HasFp16Weights" />. It
    /// belongs to the layer: do not dispose it.</summary>
    public Tensor? RowAbsmax => (Own as Weight8bit)?.RowAbsmax;

    /// <summary>The magnitude of outliers; 0 for none.</summary>
    public double Threshold
    {
        get => Own is Weight8bit fixedWeight ? fixedWeight.Threshold : ((TrainableWeight8bit)Own).Threshold;
        set
        {
            Rows8.CheckThreshold(value);
            if (Own is Weight8bit fixedWeight)
            {
                fixedWeight.Threshold = value;
            }
            else
            {
                ((TrainableWeight8bit)Own).Threshold = value;
            }
        }
    }

    private LinearWeight Own => LinearWeight.Of(weight)!;

    /// <summary>A layer with the weight of a linear layer and a copy of its bias.</summary>
    /// <param name="linear">The layer; not changed.</param>
    /// <param name="hasFp16Weights">Whether the weight stays in floating point and can be trained.</param>
    /// <param name="threshold">The magnitude of outliers; 0 for none.</param>
    /// <returns>The layer.</returns>
    /// <exception cref="ArgumentException">The layer's weight is quantized already, or of an unsuitable dtype.</exception>
    public static Linear8bitLt FromLinear(Linear linear, bool hasFp16Weights = false, double threshold = 6)
    {
        ArgumentNullException.ThrowIfNull(linear);
        Rows8.CheckThreshold(threshold);
        return new(MakeWeight(linear, hasFp16Weights, threshold), Linear4bit.CopyBias(linear));
    }

    /// <summary>A layer of a weight that is quantized already.</summary>
    /// <param name="codes">int8 [out, in]; the layer's from here on.</param>
    /// <param name="rowAbsmax">float32 [out]; the layer's from here on.</param>
    /// <param name="bias">The bias [out], or null; the layer's from here on.</param>
    /// <param name="threshold">The magnitude of outliers; 0 for none.</param>
    /// <returns>The layer.</returns>
    /// <exception cref="ArgumentException">Codes and absmax do not belong together.</exception>
    public static Linear8bitLt FromQuantized(
        Tensor codes,
        Tensor rowAbsmax,
        Parameter? bias = null,
        double threshold = 6
    )
    {
        Rows8.CheckCodes(codes, nameof(codes));
        Rows8.CheckAbsmax(rowAbsmax, codes.shape[0], nameof(rowAbsmax));
        Rows8.CheckThreshold(threshold);
        return new(LinearParameters.Create(new Weight8bit(codes, rowAbsmax, threshold)), bias);
    }

    /// <summary>The layer.</summary>
    /// <param name="input">[..., in].</param>
    /// <returns>[..., out], of the input's dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Own.Forward(input, weight, bias);
    }

    private static Parameter MakeWeight(Linear linear, bool hasFp16Weights, double threshold)
    {
        if (!hasFp16Weights)
        {
            return LinearParameters.Create(Weight8bit.Quantize(linear.weight, threshold));
        }

        Blocks4.CheckFloating(linear.weight, nameof(linear));
        using var detached = linear.weight.detach();
        var made = LinearParameters.Create(new TrainableWeight8bit(detached.clone(), threshold));
        made.requires_grad = true;
        return made;
    }
}
