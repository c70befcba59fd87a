using NBit.Interop;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>
/// Gives the output of a module that was computed outside of libtorch its place in the autograd graph, with gradients that
/// are all made where the output's arrives.
/// </summary>
/// <remarks>
/// The graph is made of libtorch's operations on no elements at all: the sum over an empty part of each input, which is
/// 0 and depends on it, is subtracted from the output, which leaves every bit as it is (-0 - 0 is -0). Gradients are
/// replaced by hooks. (<see cref="Quantization.OwnGradient" /> is for layers whose gradients do not depend on each other.)
/// </remarks>
internal static class ModuleGradient
{
    /// <summary>Makes a tensor depend on others.</summary>
    /// <param name="output">The output, without a graph; its elements are the result's.</param>
    /// <param name="inputs">What it was computed from; null, and what requires no gradient, gets none.</param>
    /// <param name="backward">From the output's gradient, contiguous, to those of the inputs, in their order and of their
    /// shapes and dtypes, null for what gets none. They are disposed for the caller.</param>
    /// <param name="kept">What the gradients need; disposed with the graph.</param>
    /// <returns>The output with a graph.</returns>
    public static Tensor Attach(
        Tensor output,
        IReadOnlyList<Tensor?> inputs,
        Func<Tensor, Tensor?[]> backward,
        IDisposable kept
    )
    {
        using var scope = NewDisposeScope();
        var gradients = new Gradients(backward, kept);
        var nothing = zeros([], output.dtype);
        for (var i = 0; i < inputs.Count; i++)
        {
            if (inputs[i] is { requires_grad: true } input)
            {
                var (index, own) = (i, input.view(input.shape)); // a place in the graph beside other uses of the input
                GradientHook.Attach(own, _ => gradients.Take(index));
                nothing = nothing + own.reshape(-1).narrow(0, 0, 0).sum().to(output.dtype);
            }
        }

        var result = output.detach().sub_(nothing); // the output may be a view, of which libtorch would keep the base
        GradientHook.Attach(result, gradients.Arrive, gradients);
        return result.MoveToOuterDisposeScope();
    }

    private sealed class Gradients(Func<Tensor, Tensor?[]> backward, IDisposable kept) : IDisposable
    {
        private Tensor?[] _values = [];

        public Tensor? Arrive(Tensor gradient)
        {
            DisposeValues();
            using var scope = NewDisposeScope();
            _values = [.. backward(gradient.contiguous()).Select(value => value?.DetachFromDisposeScope())];
            return null;
        }

        public Tensor? Take(int index)
        {
            if (index >= _values.Length)
            {
                return null;
            }

            var value = _values[index];
            _values[index] = null;
            return value;
        }

        public void Dispose()
        {
            DisposeValues();
            kept.Dispose();
        }

        private void DisposeValues()
        {
            foreach (var value in _values)
            {
                value?.Dispose();
            }

            _values = [];
        }
    }
}
