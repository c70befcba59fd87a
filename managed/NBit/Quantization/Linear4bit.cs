using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>A linear layer whose weight is held in 4 bits (bitsandbytes' <c>Linear4bit</c>).</summary>
/// <remarks>
/// y = x @ W^T + bias: x, W and bias are rounded to the compute dtype, sums are float32 (float64 where that is the
/// compute dtype), and the result comes back in x's dtype. The weight is frozen: gradients reach x and the bias. Any
/// sizes work.
/// </remarks>
public sealed class Linear4bit : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates a layer with the usual random weights, quantized.</summary>
    /// <param name="inputFeatures">The number of inputs, 1 or more.</param>
    /// <param name="outputFeatures">The number of outputs, 1 or more.</param>
    /// <param name="hasBias">Whether there is a bias.</param>
    /// <param name="computeDtype">float32, bfloat16, float16 or float64; null for the dtype of each input.</param>
    /// <param name="compressStatistics">Whether absmax is quantized too (double quantization).</param>
    /// <param name="quantType">The code.</param>
    /// <param name="blocksize">Elements that share one absmax: a power of two from 32 to 4096.</param>
    /// <param name="dtype">The dtype of bias and unquantized weight; null for the default dtype.</param>
    public Linear4bit(
        long inputFeatures,
        long outputFeatures,
        bool hasBias = true,
        ScalarType? computeDtype = null,
        bool compressStatistics = true,
        QuantType quantType = QuantType.FP4,
        int blocksize = 64,
        ScalarType? dtype = null
    )
        : base(nameof(Linear4bit))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputFeatures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputFeatures, 1);
        CheckComputeDtype(computeDtype);
        using var linear = nn.Linear(inputFeatures, outputFeatures, hasBias, dtype: dtype);
        var own = Weight4bit.Quantize(linear.weight, quantType, blocksize, compressStatistics, computeDtype);
        weight = LinearParameters.Create(own);
        bias = CopyBias(linear);
    }

    private Linear4bit(Weight4bit own, Parameter? bias)
        : base(nameof(Linear4bit))
    {
        weight = LinearParameters.Create(own);
        this.bias = bias;
    }

    /// <summary>The packed codes, uint8 [n / 2, 1].</summary>
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
    public long InFeatures => Own.InFeatures;

    /// <summary>The number of outputs.</summary>
    public long OutFeatures => Own.OutFeatures;

    /// <summary>How the weight is quantized. It belongs to the layer: do not dispose it.</summary>
    public QuantState QuantState => Own.State;

    /// <summary>What operands are rounded to; null for the dtype of each input.</summary>
    public ScalarType? ComputeDtype
    {
        get => Own.ComputeType;
        set
        {
            CheckComputeDtype(value);
            Own.ComputeType = value;
        }
    }

    private Weight4bit Own => (Weight4bit)LinearWeight.Of(weight)!;

    /// <summary>A layer with the weight of a linear layer, quantized, and a copy of its bias.</summary>
    /// <param name="linear">The layer; not changed.</param>
    /// <param name="computeDtype">float32, bfloat16, float16 or float64; null for the dtype of each input.</param>
    /// <param name="compressStatistics">Whether absmax is quantized too.</param>
    /// <param name="quantType">The code.</param>
    /// <param name="blocksize">Elements that share one absmax.</param>
    /// <returns>The layer.</returns>
    /// <exception cref="ArgumentException">The layer's weight is quantized already, or of an unsuitable
    /// dtype.</exception>
    public static Linear4bit FromLinear(
        Linear linear,
        ScalarType? computeDtype = null,
        bool compressStatistics = true,
        QuantType quantType = QuantType.FP4,
        int blocksize = 64
    )
    {
        ArgumentNullException.ThrowIfNull(linear);
        CheckComputeDtype(computeDtype);
        return new(
            Weight4bit.Quantize(linear.weight, quantType, blocksize, compressStatistics, computeDtype),
            CopyBias(linear)
        );
    }

    /// <summary>A layer of a weight that is quantized already.</summary>
    /// <param name="packed">The codes, uint8; the layer's from here on.</param>
    /// <param name="state">Their state, of a weight [out, in]; the layer's from here on.</param>
    /// <param name="bias">The bias [out], or null; the layer's from here on.</param>
    /// <param name="computeDtype">float32, bfloat16, float16 or float64; null for the dtype of each input.</param>
    /// <returns>The layer.</returns>
    /// <exception cref="ArgumentException">Codes and state do not belong together.</exception>
    public static Linear4bit FromQuantized(
        Tensor packed,
        QuantState state,
        Parameter? bias = null,
        ScalarType? computeDtype = null
    )
    {
        ArgumentNullException.ThrowIfNull(state);
        CheckComputeDtype(computeDtype);
        using (Blocks4.Bytes(packed, state)) // checks
        {
            return new(new Weight4bit(packed, state, computeDtype), bias);
        }
    }

    /// <summary>The weight as numbers.</summary>
    /// <param name="dtype">float32, float16 or bfloat16; null for the dtype that was quantized.</param>
    /// <returns>A new tensor [out, in].</returns>
    public Tensor Dequantize(ScalarType? dtype = null) => Own.Dequantize(dtype);

    /// <summary>The layer.</summary>
    /// <param name="input">[..., in].</param>
    /// <returns>[..., out], of the input's dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return Own.Forward(input, weight, bias);
    }

    internal static void CheckComputeDtype(ScalarType? dtype)
    {
        if (
            dtype is not (null or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float64)
        )
        {
            throw new ArgumentException(
                $"the compute dtype is {dtype}; allowed are Float32, BFloat16, Float16, Float64, and null for the "
                    + "input's",
                nameof(dtype)
            );
        }
    }

    internal static Parameter? CopyBias(Linear linear)
    {
        if (linear.bias is not { } bias)
        {
            return null;
        }

        using var detached = bias.detach();
        using var copy = detached.clone();
        return (Parameter)new Parameter(copy, bias.requires_grad).DetachFromDisposeScope();
    }
}
