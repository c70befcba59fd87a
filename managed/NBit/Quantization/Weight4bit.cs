using NBit.Devices;
using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>A weight in 4 bits: packed codes [n / 2, 1] and their state. It is frozen.</summary>
internal sealed unsafe class Weight4bit : LinearWeight
{
    /// <param name="packed">The codes, uint8; owned from here on.</param>
    /// <param name="state">Their state, of a weight [out, in]; owned from here on.</param>
    /// <param name="computeType">float32, float16, bfloat16 or float64: what operands are rounded to; null for the
    /// input's.</param>
    /// <exception cref="ArgumentException">The state is not that of a matrix.</exception>
    public Weight4bit(Tensor packed, QuantState state, ScalarType? computeType)
        : base(Checked(packed, state))
    {
        State = state.DetachFromDisposeScope();
        ComputeType = computeType;
    }

    public QuantState State { get; }

    public ScalarType? ComputeType { get; set; }

    public override long OutFeatures => State.Shape[0];

    public override long InFeatures => State.Shape[1];

    /// <summary>Quantizes a weight.</summary>
    public static Weight4bit Quantize(
        Tensor weight,
        QuantType type,
        int blocksize,
        bool compressStatistics,
        ScalarType? computeType
    )
    {
        var (packed, state) = Functional.Quantize4Bit(weight, type, blocksize, compressStatistics);
        return new(packed, state, computeType);
    }

    public Tensor Dequantize(ScalarType? dtype = null) => Functional.Dequantize4Bit(Storage, State, dtype: dtype);

    public override bool IsFinite => AllFinite(State.Nested?.Absmax ?? State.Absmax);

    public override LinearWeight Requantize(Tensor weight) =>
        Quantize(weight, State.QuantType!.Value, State.Blocksize, State.Nested is not null, ComputeType);

    protected override LinearWeight? Converted(Tensor converted) =>
        Frozen(converted, codes => new Weight4bit(codes, State.To(codes.device), ComputeType));

    protected override Tensor Product(Tensor input, Tensor weight, Tensor? bias)
    {
        if (ComputeType == ScalarType.Float64)
        {
            return MultiplyDequantized(input, bias, ScalarType.Float64); // the kernels add in float32
        }

        using var scope = NewDisposeScope();
        var x = LinearInput.Supported(input);
        var type = ComputeType ?? x.dtype;
        var y = Multiply(x, LinearInput.SupportedBias(bias), type);
        if (x.dtype != input.dtype)
        {
            y = y.to(input.dtype);
        }

        return OwnGradient.IsNeeded(input, bias)
            ? OwnGradient.Attach(y, input, bias, gradient => InputGradient(gradient, type)).MoveToOuterDisposeScope()
            : y.MoveToOuterDisposeScope();
    }

    /// <summary>The forward pass where no kernel multiplies codes so: libtorch's with the dequantized weight.</summary>
    internal Tensor MultiplyDequantized(Tensor x, Tensor? bias, ScalarType type)
    {
        using var scope = NewDisposeScope();
        return nn.functional.linear(x.to(type), Dequantize(type), bias?.to(type)).to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>The same for the gradient of the input.</summary>
    internal Tensor InputGradientOfDequantized(Tensor gradient, ScalarType type)
    {
        using var scope = NewDisposeScope();
        return gradient.to(type).matmul(Dequantize(type)).to(gradient.dtype).MoveToOuterDisposeScope();
    }

    protected override void ReleaseState() => State.Dispose();

    private static Tensor Checked(Tensor packed, QuantState state) =>
        state.Shape.Count == 2
            ? packed
            : throw new ArgumentException(
                $"the weight is [{string.Join(", ", state.Shape)}]; a layer's has two dimensions",
                nameof(state)
            );

    private Tensor Multiply(Tensor x, Tensor? bias, ScalarType type)
    {
        using var xMemory = DenseTensor.Of(x, nameof(x));
        using var biasMemory = DenseTensor.Of(bias, nameof(bias));
        using var absmax = AbsmaxArguments.Of(State);
        using var packed = DenseTensor.Of(Storage, nameof(Storage));
        var y = empty([.. x.shape[..^1], OutFeatures], x.dtype, x.device);
        using var yMemory = DenseTensor.New(y);
        if (
            !DeviceCall.TryRun(
                context =>
                    Libnbit.nbit_linear4_forward(
                        context,
                        (int)State.QuantType!.Value,
                        (byte*)packed.Address,
                        absmax.Absmax,
                        absmax.Codes,
                        absmax.Book,
                        absmax.Offset,
                        State.Blocksize,
                        OutFeatures,
                        InFeatures,
                        (int)x.dtype,
                        xMemory.Address,
                        x.numel() / InFeatures,
                        (int)(bias?.dtype ?? x.dtype),
                        biasMemory.Address,
                        (int)type,
                        yMemory.Address
                    ),
                [xMemory, biasMemory, packed, .. absmax.Tensors, yMemory]
            )
        )
        {
            y.copy_(MultiplyDequantized(x, bias, type));
        }

        return y;
    }

    private Tensor InputGradient(Tensor gradient, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var g = LinearInput.Supported(gradient);
        using var gMemory = DenseTensor.Of(g, nameof(gradient));
        using var absmax = AbsmaxArguments.Of(State);
        using var packed = DenseTensor.Of(Storage, nameof(Storage));
        var result = empty([.. g.shape[..^1], InFeatures], g.dtype, g.device);
        using var resultMemory = DenseTensor.New(result);
        if (
            !DeviceCall.TryRun(
                context =>
                    Libnbit.nbit_linear4_backward(
                        context,
                        (int)State.QuantType!.Value,
                        (byte*)packed.Address,
                        absmax.Absmax,
                        absmax.Codes,
                        absmax.Book,
                        absmax.Offset,
                        State.Blocksize,
                        OutFeatures,
                        InFeatures,
                        (int)g.dtype,
                        gMemory.Address,
                        g.numel() / OutFeatures,
                        (int)type,
                        resultMemory.Address
                    ),
                [gMemory, packed, .. absmax.Tensors, resultMemory]
            )
        )
        {
            result.copy_(InputGradientOfDequantized(g, type));
        }

        return (g.dtype == gradient.dtype ? result : result.to(gradient.dtype)).MoveToOuterDisposeScope();
    }
}
