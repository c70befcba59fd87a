using System.Diagnostics.CodeAnalysis;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>The parameters of Transformer Engine's modules.</summary>
internal static class ModuleParameters
{
    private const double StandardDeviation = 0.023;

    /// <summary>Fills a weight as Transformer Engine does where it is not told otherwise.</summary>
    public static void InitWeight(Tensor weight) => nn.init.normal_(weight, 0, StandardDeviation);

    /// <summary>A new parameter.</summary>
    /// <param name="shape">Its shape.</param>
    /// <param name="dtype">Its dtype; null for the default dtype.</param>
    /// <param name="init">Fills it in place.</param>
    public static Parameter Create(long[] shape, ScalarType? dtype, Action<Tensor> init)
    {
        var made = empty(shape, dtype ?? get_default_dtype()).DetachFromDisposeScope();
        using (no_grad())
        {
            init(made);
        }

        return (Parameter)nn.Parameter(made).DetachFromDisposeScope();
    }

    /// <summary>The parameter that takes the place of another one, which is disposed.</summary>
    [return: NotNullIfNotNull(nameof(next))]
    public static Parameter? Succeed(Parameter? previous, Parameter? next)
    {
        if (previous is not null && !ReferenceEquals(previous, next))
        {
            previous.Dispose();
        }

        return next;
    }
}
