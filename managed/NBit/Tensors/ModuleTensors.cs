using System.Runtime.CompilerServices;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>The tensors that a module owns.</summary>
internal static class ModuleTensors
{
    /// <summary>The parameters and buffers of a module and those inside it, each once.</summary>
    /// <remarks>
    /// TorchSharp's named_buffers leaves out the buffers that are not persistent, whatever it is asked for; PyTorch
    /// converts and moves them like all others.
    /// </remarks>
    public static HashSet<Tensor> Of(nn.Module model)
    {
        var tensors = new HashSet<Tensor>(
            model.parameters().Concat(model.buffers()),
            ReferenceEqualityComparer.Instance
        );
        foreach (var module in model.modules().Prepend(model))
        {
            tensors.UnionWith(Buffers(module).Values.Select(buffer => buffer.Item1).Where(buffer => !buffer.IsInvalid));
        }

        return tensors;
    }

    /// <summary>Takes a parameter out of a module, which TorchSharp offers to the module alone.</summary>
    public static void RemoveParameter(nn.Module module, string name) => Parameters(module).Remove(name);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_internal_params")]
    private static extern ref OrderedDict<string, Parameter> Parameters(nn.Module module);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_internal_buffers")]
    private static extern ref OrderedDict<string, (Tensor, bool)> Buffers(nn.Module module);
}
