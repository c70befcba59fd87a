using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Makes the gradients of a linear layer from that of its output.</summary>
/// <param name="targets">What they are for.</param>
/// <param name="input">The input [rows, in], for the gradient of the weight; or null. Owned from here on.</param>
/// <param name="weight">The weight [out, in], for the gradient of the input; or null. Owned from here on.</param>
internal abstract class LinearGradients(GradientTargets targets, KeptOperand? input, KeptOperand? weight) : IDisposable
{
    /// <summary>What the gradients are for.</summary>
    protected GradientTargets Targets => targets;

    /// <summary>The input; null where the weight gets no gradient.</summary>
    protected KeptOperand? Input => input;

    /// <summary>The weight; null where the input gets no gradient.</summary>
    protected KeptOperand? Weight => weight;

    /// <summary>The gradients.</summary>
    /// <param name="gradient">That of the output, contiguous.</param>
    /// <returns>Those of the input, of each part of the weight (or of what stands for it where its gradient goes into a
    /// tensor of the caller), and of the bias; null for what gets none.</returns>
    public Tensor?[] Backward(Tensor gradient)
    {
        var rows = gradient.reshape(-1, gradient.shape[^1]);
        var (forInput, forWeight) = Products(rows);
        return
        [
            forInput?.view([.. targets.InputShape]).to(targets.InputType),
            .. targets.MainGradient is null ? Parts(forWeight) : [zeros([], targets.Dtype)],
            targets.BiasType is { } type ? rows.sum([0]).to(type) : null,
        ];
    }

    public void Dispose()
    {
        input?.Dispose();
        weight?.Dispose();
    }

    /// <summary>The gradients of input and weight.</summary>
    /// <param name="rows">The gradient of the output [rows, out].</param>
    /// <returns>[rows, in], and [out, in] unless it went into the tensor of the caller; null for what gets
    /// none.</returns>
    protected abstract (Tensor? Input, Tensor? Weight) Products(Tensor rows);

    private Tensor?[] Parts(Tensor? whole)
    {
        var first = 0L;
        var parts = new Tensor?[targets.Parts.Count];
        foreach (var (index, (size, type)) in targets.Parts.Index())
        {
            parts[index] = whole?.narrow(0, first, size).to(type);
            first += size;
        }

        return parts;
    }
}
