using NBit.Native;
using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>LARS (You, Gitman and Ginsburg 2017): momentum whose update is limited by a trust ratio, also with 8-bit
/// states. States have the bits that are asked for.</summary>
public sealed class LARSNBit : MomentumOptimizer
{
    internal const nbit_optimizer Kernel = nbit_optimizer.NBIT_OPTIMIZER_MOMENTUM;

    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public LARSNBit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, maxUnorm, optimBits, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public LARSNBit(
        IEnumerable<Parameter> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, maxUnorm, optimBits, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="momentum">The decay of the momentum, above 0.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="maxUnorm">The largest norm of an update, as a part of the parameter's norm.</param>
    /// <param name="optimBits">The bits of a state's element: 8 or 32.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public LARSNBit(
        IEnumerable<OptimizerGroup> groups,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : base(Kernel, groups, Arguments(lr, momentum, weightDecay, maxUnorm, optimBits), settings) { }

    internal static OptimizerSettings Arguments(
        double lr,
        double momentum,
        double weightDecay,
        double maxUnorm,
        int optimBits
    ) =>
        new()
        {
            LearningRate = lr,
            Momentum = momentum,
            WeightDecay = weightDecay,
            MaxUnorm = maxUnorm,
            OptimBits = optimBits,
        };
}

/// <summary><see cref="LARSNBit" /> with 8-bit states.</summary>
public sealed class LARS8bit : MomentumOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public LARS8bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, maxUnorm, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public LARS8bit(
        IEnumerable<Parameter> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, maxUnorm, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="momentum">The decay of the momentum, above 0.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="maxUnorm">The largest norm of an update, as a part of the parameter's norm.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public LARS8bit(
        IEnumerable<OptimizerGroup> groups,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        OptimizerSettings? settings = null
    )
        : base(LARSNBit.Kernel, groups, LARSNBit.Arguments(lr, momentum, weightDecay, maxUnorm, 8), settings) { }
}

/// <summary><see cref="LARSNBit" /> with 32-bit states.</summary>
public sealed class LARS32bit : MomentumOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public LARS32bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, maxUnorm, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public LARS32bit(
        IEnumerable<Parameter> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, maxUnorm, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="momentum">The decay of the momentum, above 0.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="maxUnorm">The largest norm of an update, as a part of the parameter's norm.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public LARS32bit(
        IEnumerable<OptimizerGroup> groups,
        double lr,
        double momentum,
        double weightDecay = 0,
        double maxUnorm = 0.02,
        OptimizerSettings? settings = null
    )
        : base(LARSNBit.Kernel, groups, LARSNBit.Arguments(lr, momentum, weightDecay, maxUnorm, 32), settings) { }
}
