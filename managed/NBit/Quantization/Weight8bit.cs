using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>A weight in 8 bits as LLM.int8() has it (arXiv:2208.07339): codes [out, in] and the absmax of each row. It is frozen.</summary>
/// <param name="codes">int8 [out, in]; owned from here on.</param>
/// <param name="rowAbsmax">float32 [out] (bitsandbytes' SCB); owned from here on.</param>
/// <param name="threshold">Inputs of at least this magnitude are outliers, whose columns are multiplied in floating point;
/// 0 for none.</param>
internal sealed class Weight8bit(Tensor codes, Tensor rowAbsmax, double threshold) : LinearWeight(codes)
{
    public Tensor RowAbsmax { get; } = rowAbsmax.DetachFromDisposeScope();

    public double Threshold { get; set; } = threshold;

    public override long OutFeatures => Storage.shape[0];

    public override long InFeatures => Storage.shape[1];

    /// <summary>Quantizes a weight.</summary>
    public static Weight8bit Quantize(Tensor weight, double threshold)
    {
        var rows = Int8Products.QuantizeWeight(weight);
        return new(rows.Codes, rows.RowAbsmax, threshold);
    }

    public Tensor Dequantize(ScalarType dtype) => Functional.Int8VectorwiseDequantize(Storage, RowAbsmax, dtype);

    public override bool IsFinite => AllFinite(RowAbsmax);

    public override LinearWeight Requantize(Tensor weight) => Quantize(weight, Threshold);

    protected override LinearWeight? Converted(Tensor converted) =>
        Frozen(converted, codes => new Weight8bit(codes, RowAbsmax.to(codes.device), Threshold));

    protected override Tensor Product(Tensor input, Tensor weight, Tensor? bias)
    {
        var y = Int8Products.Forward(Storage, RowAbsmax, input, bias, Threshold);
        return OwnGradient.IsNeeded(input, bias)
            ? OwnGradient.Attach(y, input, bias, gradient => Int8Products.InputGradient(Storage, RowAbsmax, gradient))
            : y;
    }

    protected override void ReleaseState() => RowAbsmax.Dispose();
}
