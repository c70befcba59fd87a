using NBit.Native;
using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>LAMB (You et al. 2020): Adam whose update is limited by a trust ratio, also with 8-bit states. States have
/// the bits that are asked for.</summary>
public sealed class LAMBNBit : BetasOptimizer
{
    internal const nbit_optimizer Kernel = nbit_optimizer.NBIT_OPTIMIZER_ADAM;

    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public LAMBNBit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, maxUnorm, optimBits, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public LAMBNBit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, maxUnorm, optimBits, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment and of the second; null for (0.9, 0.999).</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="maxUnorm">The largest norm of an update, as a part of the parameter's norm.</param>
    /// <param name="optimBits">The bits of a state's element: 8 or 32.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public LAMBNBit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : base(Kernel, groups, Arguments(lr, betas, eps, weightDecay, maxUnorm, optimBits), settings) { }

    internal static OptimizerSettings Arguments(
        double lr,
        (double, double)? betas,
        double eps,
        double weightDecay,
        double maxUnorm,
        int optimBits
    ) =>
        new()
        {
            LearningRate = lr,
            Betas = betas ?? (0.9, 0.999),
            Epsilon = eps,
            WeightDecay = weightDecay,
            MaxUnorm = maxUnorm,
            OptimBits = optimBits,
        };
}

/// <summary><see cref="LAMBNBit" /> with 8-bit states.</summary>
public sealed class LAMB8bit : BetasOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public LAMB8bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, maxUnorm, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public LAMB8bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, maxUnorm, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment and of the second; null for (0.9, 0.999).</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="maxUnorm">The largest norm of an update, as a part of the parameter's norm.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public LAMB8bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        OptimizerSettings? settings = null
    )
        : base(LAMBNBit.Kernel, groups, LAMBNBit.Arguments(lr, betas, eps, weightDecay, maxUnorm, 8), settings) { }
}

/// <summary><see cref="LAMBNBit" /> with 32-bit states.</summary>
public sealed class LAMB32bit : BetasOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public LAMB32bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, maxUnorm, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public LAMB32bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, maxUnorm, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment and of the second; null for (0.9, 0.999).</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="maxUnorm">The largest norm of an update, as a part of the parameter's norm.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public LAMB32bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double maxUnorm = 1,
        OptimizerSettings? settings = null
    )
        : base(LAMBNBit.Kernel, groups, LAMBNBit.Arguments(lr, betas, eps, weightDecay, maxUnorm, 32), settings) { }
}
