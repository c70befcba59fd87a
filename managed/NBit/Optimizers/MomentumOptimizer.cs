using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>An optimizer that has a momentum, which schedulers may move.</summary>
public abstract class MomentumOptimizer : NBitOptimizer, optim.IMomentum
{
    private protected MomentumOptimizer(
        nbit_optimizer kernel,
        IEnumerable<OptimizerGroup> groups,
        OptimizerSettings arguments,
        OptimizerSettings? settings
    )
        : base(kernel, groups, arguments, settings) { }

    /// <summary>The momentum, of all groups when set.</summary>
    public double Momentum
    {
        get => Settings.Momentum!.Value;
        set => Change(settings => settings with { Momentum = value });
    }
}
