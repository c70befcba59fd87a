using NBit.Native;
using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>RMSprop (Tieleman and Hinton 2012), without momentum and not centered; weight decay is an L2 penalty.
/// States have the bits that are asked for.</summary>
public sealed class RMSpropNBit : NBitOptimizer
{
    internal const nbit_optimizer Kernel = nbit_optimizer.NBIT_OPTIMIZER_RMSPROP;

    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public RMSpropNBit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, alpha, eps, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public RMSpropNBit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, alpha, eps, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="alpha">The decay of the mean square.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="optimBits">The bits of a state's element: 8 or 32.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public RMSpropNBit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : base(Kernel, groups, Arguments(lr, alpha, eps, weightDecay, optimBits), settings) { }

    internal static OptimizerSettings Arguments(
        double lr,
        double alpha,
        double eps,
        double weightDecay,
        int optimBits
    ) =>
        new()
        {
            LearningRate = lr,
            Alpha = alpha,
            Epsilon = eps,
            WeightDecay = weightDecay,
            OptimBits = optimBits,
        };
}

/// <summary><see cref="RMSpropNBit" /> with 8-bit states.</summary>
public sealed class RMSprop8bit : NBitOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public RMSprop8bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, alpha, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public RMSprop8bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, alpha, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="alpha">The decay of the mean square.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public RMSprop8bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(RMSpropNBit.Kernel, groups, RMSpropNBit.Arguments(lr, alpha, eps, weightDecay, 8), settings) { }
}

/// <summary><see cref="RMSpropNBit" /> with 32-bit states.</summary>
public sealed class RMSprop32bit : NBitOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public RMSprop32bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, alpha, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public RMSprop32bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, alpha, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="alpha">The decay of the mean square.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public RMSprop32bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(RMSpropNBit.Kernel, groups, RMSpropNBit.Arguments(lr, alpha, eps, weightDecay, 32), settings) { }
}
