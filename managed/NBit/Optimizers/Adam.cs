using NBit.Native;
using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>Adam (Kingma and Ba 2015), with decoupled weight decay (Loshchilov and Hutter 2019) after the update.
/// States have the bits that are asked for.</summary>
public sealed class AdamNBit : BetasOptimizer
{
    internal const nbit_optimizer Kernel = nbit_optimizer.NBIT_OPTIMIZER_ADAM;

    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public AdamNBit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public AdamNBit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment and of the second; null for (0.9, 0.999).</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="optimBits">The bits of a state's element: 8 or 32.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public AdamNBit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : base(Kernel, groups, Arguments(lr, betas, eps, weightDecay, optimBits), settings) { }

    internal static OptimizerSettings Arguments(
        double lr,
        (double, double)? betas,
        double eps,
        double weightDecay,
        int optimBits
    ) =>
        new()
        {
            LearningRate = lr,
            Betas = betas ?? (0.9, 0.999),
            Epsilon = eps,
            WeightDecay = weightDecay,
            OptimBits = optimBits,
        };
}

/// <summary><see cref="AdamNBit" /> with 8-bit states.</summary>
public sealed class Adam8bit : BetasOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public Adam8bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public Adam8bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment and of the second; null for (0.9, 0.999).</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public Adam8bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(AdamNBit.Kernel, groups, AdamNBit.Arguments(lr, betas, eps, weightDecay, 8), settings) { }
}

/// <summary><see cref="AdamNBit" /> with 32-bit states.</summary>
public sealed class Adam32bit : BetasOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public Adam32bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public Adam32bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment and of the second; null for (0.9, 0.999).</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public Adam32bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(AdamNBit.Kernel, groups, AdamNBit.Arguments(lr, betas, eps, weightDecay, 32), settings) { }
}
