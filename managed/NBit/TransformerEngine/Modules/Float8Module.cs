using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>A module of Transformer Engine's that keeps the scales of its linear products.</summary>
public abstract class Float8Module : nn.Module<Tensor, Tensor>, IFloat8Module
{
    /// <param name="name">The name of the class.</param>
    /// <param name="products">The number of linear products.</param>
    private protected Float8Module(string name, int products)
        : base(name) => State = new(products);

    Float8State IFloat8Module.State => State;

    private protected Float8State State { get; }

    /// <summary>The module.</summary>
    /// <param name="input">[..., in].</param>
    /// <returns>[..., out].</returns>
    public override Tensor forward(Tensor input) => forward(input, isFirstMicrobatch: null);

    /// <summary>The module, with weights that several microbatches share.</summary>
    /// <param name="input">[..., in].</param>
    /// <param name="isFirstMicrobatch">True where the weights have changed: they are cast, and their codes are cached.
    /// False to take those codes; the scales of the weights do not move on then. Null to cast them for this pass
    /// alone.</param>
    /// <returns>[..., out].</returns>
    /// <exception cref="ArgumentException">A dtype, device or size does not fit.</exception>
    /// <exception cref="InvalidOperationException">The module was made to return more than its output, or the gradient
    /// of a weight has no tensor to go to.</exception>
    public abstract Tensor forward(Tensor input, bool? isFirstMicrobatch);

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            State.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>A linear product of the module, in 8 bits inside of enabled regions. What is made on the way is in the
    /// caller's dispose scope.</summary>
    private protected Tensor Multiply(
        Tensor input,
        ProductWeight weight,
        Tensor? bias,
        ProductPlace place,
        bool? isFirstMicrobatch,
        Tensor? mainGradient = null
    ) =>
        Float8Linear.Forward(State, input, weight, bias, isFirstMicrobatch, mainGradient, place)
        ?? nn.functional.linear(input, weight.For(input.dtype), bias);
}
