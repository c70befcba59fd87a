using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>
/// The weight of a TorchSharp linear layer that multiplies in 8 bits inside <see cref="Float8.Autocast" />, and as ever
/// outside of it. It stays in floating point and is trained.
/// </summary>
/// <param name="weight">float32, float16 or bfloat16 [out, in]; owned from here on.</param>
internal sealed class Float8Weight(Tensor weight) : LinearWeight(weight)
{
    /// <summary>The scales of the layer.</summary>
    public Float8State State { get; private set; } = new(products: 1);

    public override long OutFeatures => Storage.shape[0];

    public override long InFeatures => Storage.shape[1];

    public override bool IsFinite => AllFinite(Storage);

    protected override LinearWeight Converted(Tensor converted) =>
        new Float8Weight(converted) { State = State.Share() };

    public override LinearWeight Requantize(Tensor weight) => new Float8Weight(weight.detach().clone());

    protected override Tensor Product(Tensor input, Tensor weight, Tensor? bias) =>
        Float8Linear.Forward(State, input, new ProductWeight(weight), bias) ?? LinearProduct.Of(input, weight, bias);

    protected override void MoveStateTo(LinearWeight next)
    {
        base.MoveStateTo(next);
        if (next is Float8Weight other)
        {
            (other.State, State) = (State, other.State);
        }
    }

    protected override void ReleaseState() => State.Dispose();
}
