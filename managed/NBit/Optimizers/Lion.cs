using NBit.Native;
using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>Lion (Chen et al. 2023): the sign of an average of gradients; decoupled weight decay before the update.
/// States have the bits that are asked for.</summary>
public sealed class LionNBit : BetasOptimizer
{
    internal const nbit_optimizer Kernel = nbit_optimizer.NBIT_OPTIMIZER_LION;

    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public LionNBit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public LionNBit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the update and of the moment; null for (0.9, 0.99).</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="optimBits">The bits of a state's element: 8 or 32.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public LionNBit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : base(Kernel, groups, Arguments(lr, betas, weightDecay, optimBits), settings) { }

    internal static OptimizerSettings Arguments(
        double lr,
        (double, double)? betas,
        double weightDecay,
        int optimBits
    ) =>
        new()
        {
            LearningRate = lr,
            Betas = betas ?? (0.9, 0.99),
            WeightDecay = weightDecay,
            OptimBits = optimBits,
        };
}

/// <summary><see cref="LionNBit" /> with 8-bit states.</summary>
public sealed class Lion8bit : BetasOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public Lion8bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public Lion8bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the update and of the moment; null for (0.9, 0.99).</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public Lion8bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(LionNBit.Kernel, groups, LionNBit.Arguments(lr, betas, weightDecay, 8), settings) { }
}

/// <summary><see cref="LionNBit" /> with 32-bit states.</summary>
public sealed class Lion32bit : BetasOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public Lion32bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public Lion32bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the update and of the moment; null for (0.9, 0.99).</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public Lion32bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-4,
        (double, double)? betas = null,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(LionNBit.Kernel, groups, LionNBit.Arguments(lr, betas, weightDecay, 32), settings) { }
}
