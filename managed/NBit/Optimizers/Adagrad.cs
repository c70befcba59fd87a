using NBit.Native;
using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>Adagrad (Duchi, Hazan and Singer 2011); weight decay is an L2 penalty. States have the bits that are asked
/// for.</summary>
public sealed class AdagradNBit : NBitOptimizer
{
    internal const nbit_optimizer Kernel = nbit_optimizer.NBIT_OPTIMIZER_ADAGRAD;

    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public AdagradNBit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, eps, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public AdagradNBit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, eps, weightDecay, optimBits, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="optimBits">The bits of a state's element: 8 or 32.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public AdagradNBit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        int optimBits = 32,
        OptimizerSettings? settings = null
    )
        : base(Kernel, groups, Arguments(lr, eps, weightDecay, optimBits), settings) { }

    internal static OptimizerSettings Arguments(double lr, double eps, double weightDecay, int optimBits) =>
        new()
        {
            LearningRate = lr,
            Epsilon = eps,
            WeightDecay = weightDecay,
            OptimBits = optimBits,
        };
}

/// <summary><see cref="AdagradNBit" /> with 8-bit states.</summary>
public sealed class Adagrad8bit : NBitOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public Adagrad8bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public Adagrad8bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public Adagrad8bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(AdagradNBit.Kernel, groups, AdagradNBit.Arguments(lr, eps, weightDecay, 8), settings) { }
}

/// <summary><see cref="AdagradNBit" /> with 32-bit states.</summary>
public sealed class Adagrad32bit : NBitOptimizer
{
    /// <summary>Creates the optimizer of parameters with names, which their states have in files.</summary>
    public Adagrad32bit(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of parameters without names.</summary>
    public Adagrad32bit(
        IEnumerable<Parameter> parameters,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : this([new OptimizerGroup(parameters)], lr, eps, weightDecay, settings) { }

    /// <summary>Creates the optimizer of groups that have options of their own.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="lr">The learning rate.</param>
    /// <param name="eps">What is added to the denominator.</param>
    /// <param name="weightDecay">The weight decay.</param>
    /// <param name="settings">What has no argument of its own; null for the defaults.</param>
    /// <exception cref="ArgumentException">There are no parameters, one is given twice, or an option is out of
    /// range.</exception>
    public Adagrad32bit(
        IEnumerable<OptimizerGroup> groups,
        double lr = 1e-2,
        double eps = 1e-10,
        double weightDecay = 0,
        OptimizerSettings? settings = null
    )
        : base(AdagradNBit.Kernel, groups, AdagradNBit.Arguments(lr, eps, weightDecay, 32), settings) { }
}
