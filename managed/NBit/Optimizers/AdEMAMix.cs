using NBit.Native;
using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>AdEMAMix (Pagliardini et al. 2024): Adam with a second, slow average of the gradients. States have the bits
/// that are asked for.</summary>
public sealed class AdEMAMixNBit : BetasOptimizer
{
    internal const nbit_optimizer Kernel = nbit_optimizer.NBIT_OPTIMIZER_ADEMAMIX;

    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public AdEMAMixNBit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this(
            [new OptimizerGroup(parameters)],
            lr,
            betas,
            alpha,
            alphaSteps,
            beta3Steps,
            eps,
            weightDecay,
            optimBits,
            settings
        ) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public AdEMAMixNBit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this(
            [new OptimizerGroup(parameters)],
            lr,
            betas,
            alpha,
            alphaSteps,
            beta3Steps,
            eps,
            weightDecay,
            optimBits,
            settings
        ) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment, of the second and of the slow one; null for (0.9, 0.999,
    /// 0.9999).</param>
    /// <param name="alpha">The weight of the slow moment.</param>
    /// <param name="alphaSteps">The steps in which alpha rises from 0; 0 for none.</param>
    /// <param name="beta3Steps">The steps in which the third beta rises from the first; 0 for none.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="optimBits">The bits of a state's element: 8 or 32.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public AdEMAMixNBit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : base(
            Kernel,
            groups,
            Arguments(lr, betas, alpha, alphaSteps, beta3Steps, eps, weightDecay, optimBits),
            settings
        ) { }

    internal static OptimizerSettings Arguments(
        double lr,
        (double, double, double)? betas,
        double alpha,
        long alphaSteps,
        long beta3Steps,
        double eps,
        double weightDecay,
        int optimBits
    ) =>
        new()
        {
            LearningRate = lr,
            Betas = (betas?.Item1 ?? 0.9, betas?.Item2 ?? 0.999),
            Beta3 = betas?.Item3 ?? 0.9999,
            Alpha = alpha,
            AlphaSteps = alphaSteps,
            Beta3Steps = beta3Steps,
            Epsilon = eps,
            WeightDecay = weightDecay,
            OptimBits = optimBits,
        };
}

/// <summary><see cref="AdEMAMixNBit" /> with 8-bit states.</summary>
public sealed class AdEMAMix8bit : BetasOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public AdEMAMix8bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, alpha, alphaSteps, beta3Steps, eps, weightDecay, settings)
    { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public AdEMAMix8bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, alpha, alphaSteps, beta3Steps, eps, weightDecay, settings)
    { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment, of the second and of the slow one; null for (0.9, 0.999,
    /// 0.9999).</param>
    /// <param name="alpha">The weight of the slow moment.</param>
    /// <param name="alphaSteps">The steps in which alpha rises from 0; 0 for none.</param>
    /// <param name="beta3Steps">The steps in which the third beta rises from the first; 0 for none.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public AdEMAMix8bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        OptimizerSettings? settings = null
    )
        : base(
            AdEMAMixNBit.Kernel,
            groups,
            AdEMAMixNBit.Arguments(lr, betas, alpha, alphaSteps, beta3Steps, eps, weightDecay, 8),
            settings
        ) { }
}

/// <summary><see cref="AdEMAMixNBit" /> with 32-bit states.</summary>
public sealed class AdEMAMix32bit : BetasOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public AdEMAMix32bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, alpha, alphaSteps, beta3Steps, eps, weightDecay, settings)
    { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public AdEMAMix32bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, betas, alpha, alphaSteps, beta3Steps, eps, weightDecay, settings)
    { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="betas">The decays of the first moment, of the second and of the slow one; null for (0.9, 0.999,
    /// 0.9999).</param>
    /// <param name="alpha">The weight of the slow moment.</param>
    /// <param name="alphaSteps">The steps in which alpha rises from 0; 0 for none.</param>
    /// <param name="beta3Steps">The steps in which the third beta rises from the first; 0 for none.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public AdEMAMix32bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-3,
        (double, double, double)? betas = null,
        double alpha = 5,
        long alphaSteps = 0,
        long beta3Steps = 0,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        OptimizerSettings? settings = null
    )
        : base(
            AdEMAMixNBit.Kernel,
            groups,
            AdEMAMixNBit.Arguments(lr, betas, alpha, alphaSteps, beta3Steps, eps, weightDecay, 32),
            settings
        ) { }
}
