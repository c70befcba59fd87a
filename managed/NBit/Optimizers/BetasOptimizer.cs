using NBit.Native;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>An optimizer that has betas, which schedulers may move.</summary>
public abstract class BetasOptimizer : NBitOptimizer, optim.IBetas
{
    private protected BetasOptimizer(
        nbit_optimizer kernel,
        IEnumerable<OptimizerGroup> groups,
        OptimizerSettings arguments,
        OptimizerSettings? settings
    )
        : base(kernel, groups, arguments, settings) { }

    /// <summary>The first two betas, of all groups when set.</summary>
    public (double, double) Betas
    {
        get => Settings.Betas!.Value;
        set => Change(settings => settings with { Betas = value });
    }
}
