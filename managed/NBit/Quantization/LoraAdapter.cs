using NBit.Devices;
using NBit.Interop;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>What LoRA adds to a layer's output: scaling * B(A(dropout(x))) (arXiv:2106.09685).</summary>
internal sealed class LoraAdapter(Linear a, Linear b, Dropout? dropout, double scaling) : SharedState
{
    public Linear A => a;

    public Linear B => b;

    public Dropout? Dropout => dropout;

    public double Scaling => scaling;

    /// <summary>An adapter that adds nothing yet: A is random, B is 0.</summary>
    public static LoraAdapter Create(LinearWeight weight, int rank, double scaling, double dropout, ScalarType dtype)
    {
        var a = nn.Linear(weight.InFeatures, rank, hasBias: false, dtype: dtype);
        var b = nn.Linear(rank, weight.OutFeatures, hasBias: false, dtype: dtype);
        nn.init.zeros_(b.weight);
        return new(a, b, dropout > 0 ? nn.Dropout(dropout) : null, scaling);
    }

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

    /// <summary>The adapter for one more weight; it is disposed with the last.</summary>
    public LoraAdapter Share()
    {
        AddOwner();
        return this;
    }

    protected override void Release()
    {
        a.Dispose();
        b.Dispose();
        dropout?.Dispose();
    }

    /// <param name="input">[..., in].</param>
    /// <param name="dtype">That of the result, which is added to the layer's output.</param>
    public Tensor Forward(Tensor input, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        Follow(a.weight, input);
        Follow(b.weight, input);
        var x = input.dtype == a.weight.dtype ? input : input.to(a.weight.dtype);
        var dropped = dropout is null ? x : dropout.forward(x);
        var added = b.forward(a.forward(dropped)) * scaling;
        return (added.dtype == dtype ? added : added.to(dtype)).MoveToOuterDisposeScope();
    }

    // Module.to does not know of adapters: they go where their layer went. The parameters stay those of the optimizer.
    private static void Follow(Tensor parameter, Tensor input)
    {
        if (!parameter.IsOn(input.device))
        {
            NativeTensor.SetData(parameter, parameter.detach().to(input.device));
        }
    }
}
