using NBit.Interop;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>Gives the output of a layer that was computed outside of libtorch its place in the autograd
/// graph.</summary>
/// <remarks>
/// TorchSharp's own custom functions keep a copy of the output and leave gradients to the garbage collector. Here the
/// graph is made of libtorch's operations, whose own gradients cost a small part of the layer's: a first column of the
/// input plus the bias has the output's shape and depends on both. Its values are replaced by the computed ones, the
/// gradient of the input by what the layer's backward gives, and the bias gets the sum of the output's gradient, as it
/// should.
/// </remarks>
internal static class OwnGradient
{
    /// <summary>Whether a backward pass could come through a layer.</summary>
    public static bool IsNeeded(Tensor input, Tensor? bias, Tensor? weight = null) =>
        is_grad_enabled()
        && (input.requires_grad || bias is { requires_grad: true } || weight is { requires_grad: true });

    /// <summary>A tensor with the values of <paramref name="output" /> and the layer's gradients.</summary>
    /// <param name="output">[..., out], of the input's dtype, without a graph; disposed here.</param>
    /// <param name="input">[..., in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="inputGradient">From the output's gradient, contiguous, to the input's.</param>
    /// <param name="weight">A trainable weight [out, in], or null.</param>
    /// <param name="weightGradient">From the output's gradient, contiguous, to the weight's.</param>
    /// <param name="saved">What the gradients need; disposed with the graph.</param>
    public static Tensor Attach(
        Tensor output,
        Tensor input,
        Tensor? bias,
        Func<Tensor, Tensor> inputGradient,
        Tensor? weight = null,
        Func<Tensor, Tensor>? weightGradient = null,
        IDisposable? saved = null
    )
    {
        using var scope = NewDisposeScope();
        var gradient = new OutputGradient(saved);
        var column = gradient.Lead(input, inputGradient).narrow(-1, 0, 1);
        var row = bias is null ? zeros([output.shape[^1]], output.dtype, output.device) : bias.to(output.dtype);
        if (weight is { requires_grad: true })
        {
            row = row + gradient.Lead(weight, weightGradient!).select(1, 0).to(output.dtype);
        }

        var result = column + row;
        NativeTensor.SetData(result, output);
        gradient.Watch(result);
        output.Dispose();
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>The gradient of the output, from where it arrives until the last one that needs it has used
    /// it.</summary>
    private sealed class OutputGradient(IDisposable? saved) : IDisposable
    {
        private Tensor? _value;
        private int _users,
            _pending;

        /// <summary>A view of a tensor, which gets a gradient made from the output's.</summary>
        /// <remarks>
        /// A view has a place of its own in the graph: a gradient that replaced the tensor's would also replace what
        /// its other users give it, such as a residual connection or the queries beside the keys. (TorchSharp's alias
        /// is no view but the same tensor.)
        /// </remarks>
        public Tensor Lead(Tensor tensor, Func<Tensor, Tensor> gradientOf)
        {
            var own = tensor.view(tensor.shape);
            if (!tensor.requires_grad)
            {
                return own;
            }

            _users++;
            GradientHook.Attach(own, _ => Use(gradientOf));
            return own;
        }

        public void Watch(Tensor result)
        {
            if (_users > 0)
            {
                GradientHook.Attach(result, Arrive, this);
            }
            else
            {
                Dispose();
            }
        }

        public void Dispose()
        {
            _value?.Dispose();
            saved?.Dispose();
        }

        private Tensor? Arrive(Tensor gradient)
        {
            _value?.Dispose();
            _value = gradient.contiguous().DetachFromDisposeScope();
            _pending = _users;
            return null;
        }

        private Tensor? Use(Func<Tensor, Tensor> gradientOf)
        {
            if (_value is not { } value)
            {
                return null;
            }

            try
            {
                return gradientOf(value);
            }
            finally
            {
                if (--_pending == 0)
                {
                    value.Dispose();
                    _value = null;
                }
            }
        }
    }
}
