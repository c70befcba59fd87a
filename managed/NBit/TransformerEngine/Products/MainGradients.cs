using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>The tensors to which modules add the gradients of weights (Transformer Engine's
/// <c>main_grad</c>).</summary>
internal static class MainGradients
{
    /// <summary>Where the gradient of a weight goes in this forward pass; null for the weight itself.</summary>
    /// <param name="fuses">Whether the module adds gradients to such a tensor.</param>
    /// <param name="target">The tensor; null where none was set.</param>
    /// <param name="name">The name of the property that holds it.</param>
    /// <param name="shape">The shape of the weight.</param>
    /// <exception cref="InvalidOperationException">It is missing, or of another shape.</exception>
    public static Tensor? Check(bool fuses, Tensor? target, string name, ReadOnlySpan<long> shape)
    {
        if (!fuses || Float8Region.Current is not { Enabled: true } || !is_grad_enabled())
        {
            return null;
        }

        return target is not null && shape.SequenceEqual(target.shape)
            ? target
            : throw new InvalidOperationException(
                $"fuseWeightGradientAccumulation is on, but {name} is "
                    + (target is null ? "null" : $"[{string.Join(", ", target.shape)}]")
                    + $": set it to a tensor [{string.Join(", ", shape.ToArray())}], float32 say, that collects the "
                    + "weight's gradients"
            );
    }
}
