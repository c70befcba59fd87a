using NBit.Native;

namespace NBit.Optimizers;

/// <summary>What makes an optimizer: the kernel that it steps by, and the options that it has, with their
/// defaults.</summary>
/// <param name="Optimizer">The optimizer's name, for messages.</param>
/// <param name="Kernel">The kernel.</param>
/// <param name="Defaults">The values of all options that it has; null for those that it has no use for.</param>
internal sealed record OptimizerRule(string Optimizer, nbit_optimizer Kernel, OptimizerSettings Defaults)
{
    /// <summary>Elements of 8-bit states that share one absmax.</summary>
    public const int Blocksize = 256;

    private const string Rate = "0 to below 1",
        Finite = "finite numbers",
        NotNegative = "finite numbers, 0 or more";

    private static readonly HashSet<string> OfAll =
    [
        nameof(OptimizerSettings.MaxUnorm),
        nameof(OptimizerSettings.Min8bitSize),
        nameof(OptimizerSettings.SkipZeros),
        nameof(OptimizerSettings.RoundingSeed),
    ];

    /// <summary>How many states of a parameter's shape the first state is: AdEMAMix has a fast and a slow
    /// moment.</summary>
    public int FirstStates => Kernel == nbit_optimizer.NBIT_OPTIMIZER_ADEMAMIX ? 2 : 1;

    /// <summary>Whether there is a mean square beside the first state.</summary>
    public bool HasSecondState =>
        Kernel is nbit_optimizer.NBIT_OPTIMIZER_ADAM or nbit_optimizer.NBIT_OPTIMIZER_ADEMAMIX;

    /// <summary>The rule of an optimizer.</summary>
    /// <param name="optimizer">Its name.</param>
    /// <param name="kernel">Its kernel.</param>
    /// <param name="arguments">Its constructor's arguments.</param>
    /// <param name="settings">What was given beside them.</param>
    /// <exception cref="ArgumentException">An option is not the optimizer's, given twice, or out of range.</exception>
    public static OptimizerRule Of(
        string optimizer,
        nbit_optimizer kernel,
        OptimizerSettings arguments,
        OptimizerSettings? settings
    )
    {
        settings ??= new();
        var ofAll = new OptimizerSettings
        {
            Min8bitSize = 4096,
            MaxUnorm = 0,
            SkipZeros = false,
        };
        if (arguments.Given().Intersect(settings.Given(), StringComparer.Ordinal).FirstOrDefault() is { } twice)
        {
            throw new ArgumentException(
                $"{twice} of {optimizer} is given twice: by the constructor's argument and by the settings. Give the argument.",
                nameof(settings)
            );
        }

        var rule = new OptimizerRule(optimizer, kernel, arguments.Over(ofAll));
        return rule with { Defaults = rule.Complete(settings, rule.Defaults) };
    }

    /// <summary>Checks options, and takes what they leave out from the level above.</summary>
    /// <exception cref="ArgumentException">An option is not the optimizer's, or out of range.</exception>
    public OptimizerSettings Complete(OptimizerSettings given, OptimizerSettings above)
    {
        var known = Defaults.Given().Concat(OfAll).ToHashSet(StringComparer.Ordinal);
        if (given.Given().FirstOrDefault(name => !known.Contains(name)) is { } unknown)
        {
            throw new ArgumentException(
                $"{Optimizer} has no {unknown}; it has {string.Join(", ", known.Order(StringComparer.Ordinal))}"
            );
        }

        var complete = given.Over(above);
        Check(complete);
        return complete;
    }

    /// <summary>Refuses options that are out of range.</summary>
    public void Check(OptimizerSettings settings)
    {
        Require(nameof(settings.LearningRate), settings.LearningRate, IsNotNegative, NotNegative);
        Require("Beta1", settings.Betas?.Beta1, IsRate, Rate);
        Require("Beta2", settings.Betas?.Beta2, IsRate, Rate);
        Require(nameof(settings.Beta3), settings.Beta3, IsRate, Rate);
        Require(
            nameof(settings.Momentum),
            settings.Momentum,
            value => value > 0 && IsRate(value),
            "above 0 and below 1 (for steps without momentum, which have no state, take TorchSharp's SGD)"
        );
        if (Kernel == nbit_optimizer.NBIT_OPTIMIZER_RMSPROP)
        {
            Require(nameof(settings.Alpha), settings.Alpha, IsRate, Rate);
        }
        else
        {
            Require(nameof(settings.Alpha), settings.Alpha, IsFinite, Finite);
        }

        Require(nameof(settings.AlphaSteps), settings.AlphaSteps, IsNotNegative, "0 or more");
        Require(nameof(settings.Beta3Steps), settings.Beta3Steps, IsNotNegative, "0 or more");
        Require(nameof(settings.Epsilon), settings.Epsilon, IsNotNegative, NotNegative);
        Require(nameof(settings.WeightDecay), settings.WeightDecay, IsNotNegative, NotNegative);
        Require(nameof(settings.OptimBits), settings.OptimBits, bits => bits is 8 or 32, "8 and 32");
        Require(nameof(settings.Min8bitSize), settings.Min8bitSize, IsNotNegative, "0 or more");
        Require(nameof(settings.MaxUnorm), settings.MaxUnorm, IsNotNegative, NotNegative);
    }

    private void Require(string name, double? value, Func<double, bool> isAllowed, string allowed)
    {
        if (value is { } given && !isAllowed(given))
        {
            throw new ArgumentException($"{name} of {Optimizer} is {given}; allowed: {allowed}");
        }
    }

    // As float32, which steps compute in.
    private static bool IsFinite(double value) => float.IsFinite((float)value);

    private static bool IsNotNegative(double value) => value >= 0 && IsFinite(value);

    private static bool IsRate(double value) => value >= 0 && (float)value < 1;
}
