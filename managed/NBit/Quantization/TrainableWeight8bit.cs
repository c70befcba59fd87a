using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>
/// A floating-point weight that is quantized to 8 bits in each forward pass and can be trained (bitsandbytes'
/// <c>has_fp16_weights=True</c>).
/// </summary>
/// <param name="weight">float32, float16 or bfloat16 [out, in]; owned from here on.</param>
/// <param name="threshold">Inputs of at least this magnitude are outliers; 0 for none.</param>
internal sealed class TrainableWeight8bit(Tensor weight, double threshold) : LinearWeight(weight)
{
    public double Threshold { get; set; } = threshold;

    public override long OutFeatures => Storage.shape[0];

    public override long InFeatures => Storage.shape[1];

    public override bool IsFinite => AllFinite(Storage);

    public override LinearWeight Requantize(Tensor weight) =>
        new TrainableWeight8bit(weight.detach().clone(), Threshold);

    protected override LinearWeight Converted(Tensor converted) => new TrainableWeight8bit(converted, Threshold);

    protected override Tensor Product(Tensor input, Tensor weight, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        var rows = Int8Products.QuantizeWeight(weight);
        var y = Int8Products.Forward(rows.Codes, rows.RowAbsmax, input, bias, Threshold);
        if (!OwnGradient.IsNeeded(input, bias, weight))
        {
            return y.MoveToOuterDisposeScope();
        }

        // The weight may change before the backward pass, which needs the codes of this forward.
        var saved = new Saved(rows, input);
        var type = weight.dtype;
        return OwnGradient
            .Attach(
                y,
                input,
                bias,
                gradient => Int8Products.InputGradient(rows.Codes, rows.RowAbsmax, gradient),
                weight,
                gradient => Int8Products.WeightGradient(gradient, saved.Input, Threshold, type),
                saved
            )
            .MoveToOuterDisposeScope();
    }

    protected override void ReleaseState() { }

    private sealed class Saved : IDisposable
    {
        private readonly Int8Rows _rows;

        public Saved(Int8Rows rows, Tensor input)
        {
            _rows = rows.DetachFromDisposeScope();
            Input = input.detach().DetachFromDisposeScope();
        }

        public Tensor Input { get; }

        public void Dispose()
        {
            _rows.Dispose();
            Input.Dispose();
        }
    }
}
