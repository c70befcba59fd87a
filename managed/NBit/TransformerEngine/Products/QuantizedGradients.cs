using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Gradients of a linear layer by products in 8 bits.</summary>
/// <param name="pass">The forward pass.</param>
/// <param name="product">Which product of the module it is.</param>
/// <param name="targets">What they are for.</param>
/// <param name="input">The input's codes, column-wise; or null.</param>
/// <param name="weight">The weight's codes, column-wise; or null.</param>
internal sealed class QuantizedGradients(
    Float8Pass pass,
    int product,
    GradientTargets targets,
    KeptOperand? input,
    KeptOperand? weight
) : LinearGradients(targets, input, weight)
{
    protected override (Tensor? Input, Tensor? Weight) Products(Tensor rows)
    {
        using var dy = pass.QuantizeGradient(product, rows, Weight is not null, Input is not null);
        pass.EndBackward();
        return (
            Weight is null ? null : Float8Gemm.InputGradient(dy, Weight.Codes, Targets.Dtype),
            Input is null ? null : WeightGradient(dy, Input.Codes)
        );
    }

    private Tensor? WeightGradient(QuantizedOperand dy, ScaledMatrix x)
    {
        if (Targets.MainGradient is not { } target)
        {
            return Float8Gemm.WeightGradient(dy, x, Targets.WeightType);
        }

        Float8Gemm.WeightGradient(dy, x, target, accumulates: !Targets.Overwrites);
        return null;
    }
}
