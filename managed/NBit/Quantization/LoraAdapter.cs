using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>What LoRA adds to a layer's output: scaling * B(A(dropout(x))) (arXiv:2106.09685).</summary>
internal sealed class LoraAdapter(Linear a, Linear b, Dropout? dropout, double scaling) : IDisposable
{
    public Linear A => a;

    public Linear B => b;

    public double Scaling => scaling;

    public void Dispose()
    {
        a.Dispose();
        b.Dispose();
        dropout?.Dispose();
    }

    public Tensor Forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = input.dtype == a.weight.dtype ? input : input.to(a.weight.dtype);
        var dropped = dropout is null ? x : dropout.forward(x);
        var added = b.forward(a.forward(dropped)) * scaling;
        return (added.dtype == input.dtype ? added : added.to(input.dtype)).MoveToOuterDisposeScope();
    }
}
