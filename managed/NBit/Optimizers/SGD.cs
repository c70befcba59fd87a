using NBit.Native;
using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>Gradient descent with momentum (Polyak 1964); weight decay is an L2 penalty. States have the bits that are
/// asked for.</summary>
public sealed class SGDNBit : MomentumOptimizer
{
    internal const nbit_optimizer Kernel = nbit_optimizer.NBIT_OPTIMIZER_MOMENTUM;

    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public SGDNBit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public SGDNBit(
        IEnumerable<Parameter> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="momentum">The decay of the momentum, above 0.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="optimBits">The bits of a state's element: 8 or 32.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public SGDNBit(
        IEnumerable<OptimizerGroup> groups,
        double lr,
        double momentum,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : base(Kernel, groups, Arguments(lr, momentum, weightDecay, optimBits), settings) { }

    internal static OptimizerSettings Arguments(double lr, double momentum, double weightDecay, int optimBits) =>
        new()
        {
            LearningRate = lr,
            Momentum = momentum,
            WeightDecay = weightDecay,
            OptimBits = optimBits,
        };
}

/// <summary><see cref="SGDNBit" /> with 8-bit states.</summary>
public sealed class SGD8bit : MomentumOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public SGD8bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public SGD8bit(
        IEnumerable<Parameter> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="momentum">The decay of the momentum, above 0.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public SGD8bit(
        IEnumerable<OptimizerGroup> groups,
        double lr,
        double momentum,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(SGDNBit.Kernel, groups, SGDNBit.Arguments(lr, momentum, weightDecay, 8), settings) { }
}

/// <summary><see cref="SGDNBit" /> with 32-bit states.</summary>
public sealed class SGD32bit : MomentumOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public SGD32bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public SGD32bit(
        IEnumerable<Parameter> parameters,
        double lr,
        double momentum,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, momentum, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="momentum">The decay of the momentum, above 0.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public SGD32bit(
        IEnumerable<OptimizerGroup> groups,
        double lr,
        double momentum,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(SGDNBit.Kernel, groups, SGDNBit.Arguments(lr, momentum, weightDecay, 32), settings) { }
}
