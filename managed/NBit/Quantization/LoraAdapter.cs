using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>What LoRA adds to a layer's output: scaling * B(A(dropout(x))) (arXiv:2106.09685).</summary>
internal sealed class LoraAdapter(Linear a, Linear b, Dropout? dropout, double scaling) : IDisposable
{
    public Linear A => a;

    public Linear B => b;

    public Dropout? Dropout => dropout;

    public double Scaling => scaling;

    /// <summary>The modules of all adapters of a model: those are no layers of the model itself.</summary>
    public static HashSet<nn.Module> ModulesIn(nn.Module model)
    {
        var modules = new HashSet<nn.Module>(ReferenceEqualityComparer.Instance);
        foreach (var weight in model.parameters().Where(parameter => parameter.dim() == 2))
        {
            if (LinearWeight.Of(weight)?.Adapter is { } adapter)
            {
                modules.UnionWith([adapter.A, adapter.B]);
            }
        }

        return modules;
    }

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
