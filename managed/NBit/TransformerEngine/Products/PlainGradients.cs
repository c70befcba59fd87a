using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Gradients of a linear layer by libtorch's products in the dtype of activations
/// (<see cref="BackwardOverride" />).</summary>
/// <param name="targets">What they are for.</param>
/// <param name="input">The input, or its codes, row-wise; or null.</param>
/// <param name="weight">The weight, or its codes, row-wise; or null.</param>
internal sealed class PlainGradients(GradientTargets targets, KeptOperand? input, KeptOperand? weight)
    : LinearGradients(targets, input, weight)
{
    protected override (Tensor? Input, Tensor? Weight) Products(Tensor rows)
    {
        using var scope = NewDisposeScope();
        var dy = rows.to(Targets.Dtype);
        return (
            Weight is null ? null : dy.matmul(Weight.In(Targets.Dtype)).MoveToOuterDisposeScope(),
            Input is null ? null : WeightGradient(dy.t().matmul(Input.In(Targets.Dtype)))?.MoveToOuterDisposeScope()
        );
    }

    private Tensor? WeightGradient(Tensor product)
    {
        if (Targets.MainGradient is not { } target)
        {
            return product;
        }

        if (Targets.Overwrites)
        {
            target.copy_(product);
        }
        else
        {
            target.add_(product.to(target.dtype));
        }

        return null;
    }
}
