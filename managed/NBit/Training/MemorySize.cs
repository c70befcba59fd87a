using System.Reflection;
using NBit.Optimizers;
using NBit.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>How much memory weights and optimizers take.</summary>
public static class MemorySize
{
    /// <summary>The bytes of a module's parameters and buffers, shared ones counted once.</summary>
    /// <param name="model">The module.</param>
    /// <returns>Bytes.</returns>
    public static long ModuleBytes(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return ModuleTensors.Of(model).Sum(Bytes);
    }

    /// <summary>The bytes of the tensors in an optimizer's state; 0 for LBFGS, whose state is in native code.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <returns>Bytes.</returns>
    public static long OptimizerBytes(optim.Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        return Unwrap(optimizer) switch
        {
            INamedStateOptimizer named => named.NamedStates().Sum(state => Bytes(state.Tensor)),
            OptimizerHelper helper => helper
                .state_dict()
                .State.Sum(state =>
                    state
                        .GetType()
                        .GetFields(BindingFlags.Instance | BindingFlags.Public)
                        .Select(field => field.GetValue(state))
                        .OfType<Tensor>()
                        .Sum(Bytes)
                ),
            _ => 0,
        };
    }

    private static optim.Optimizer Unwrap(optim.Optimizer optimizer) =>
        optimizer switch
        {
            FabricOptimizer fabric => fabric.Optimizer,
            ManualOptimizer manual => manual.Optimizer,
            _ => optimizer,
        };

    private static long Bytes(Tensor tensor) => tensor.numel() * tensor.element_size();
}
