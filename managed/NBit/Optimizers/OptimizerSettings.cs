namespace NBit.Optimizers;

/// <summary>
/// Options of an optimizer, of a group of parameters or, by <see cref="GlobalOptimManager" />, of single parameters.
/// What is null is taken from the level above.
/// </summary>
/// <remarks>An option that an optimizer has no use for is refused, not ignored.</remarks>
public sealed record OptimizerSettings
{
    /// <summary>The learning rate: finite, 0 or more.</summary>
    public double? LearningRate { get; init; }

    /// <summary>The decay of the first moment and of the second (Lion: of the update and of the moment): 0 to below
    /// 1.</summary>
    public (double Beta1, double Beta2)? Betas { get; init; }

    /// <summary>AdEMAMix: the decay of the slow first moment, 0 to below 1.</summary>
    public double? Beta3 { get; init; }

    /// <summary>SGD and LARS: the decay of the momentum, above 0 and below 1.</summary>
    public double? Momentum { get; init; }

    /// <summary>RMSprop: the decay of the mean square, 0 to below 1. AdEMAMix: the weight of the slow first moment,
    /// finite.</summary>
    public double? Alpha { get; init; }

    /// <summary>AdEMAMix: the steps in which alpha rises from 0 to its value; 0 to begin with it.</summary>
    public long? AlphaSteps { get; init; }

    /// <summary>AdEMAMix: the steps in which beta3 rises from beta1 to its value; 0 to begin with it.</summary>
    public long? Beta3Steps { get; init; }

    /// <summary>What is added to the denominator: finite, 0 or more. Steps compute in float32, whatever the dtype of
    /// the parameters: 1e-8 is fine for float16 too.</summary>
    public double? Epsilon { get; init; }

    /// <summary>Decoupled weight decay; of SGD, LARS, RMSprop and Adagrad an L2 penalty. Finite, 0 or more.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>The bits of a state's element: 8 or 32. Read when a parameter first steps.</summary>
    public int? OptimBits { get; init; }

    /// <summary>Parameters of fewer elements have 32-bit states. Read when a parameter first steps.</summary>
    public long? Min8bitSize { get; init; }

    /// <summary>The largest norm of a parameter's update, as a part of the parameter's norm; 0 for no limit.</summary>
    public double? MaxUnorm { get; init; }

    /// <summary>Whether elements whose gradient is 0 are left alone with their states, as in sparse training.</summary>
    public bool? SkipZeros { get; init; }

    /// <summary>
    /// Rounds bfloat16 parameters up or down with the probability of what is cut off, by random numbers made of this
    /// seed, the parameter's place and the step, so that a resumed run repeats them; updates smaller than half a unit
    /// in the last place are then not lost. Null rounds to nearest. Other dtypes are always rounded to nearest.
    /// </summary>
    public ulong? RoundingSeed { get; init; }

    /// <summary>These options; where they are null, those of the level above.</summary>
    internal OptimizerSettings Over(OptimizerSettings above) =>
        new()
        {
            LearningRate = LearningRate ?? above.LearningRate,
            Betas = Betas ?? above.Betas,
            Beta3 = Beta3 ?? above.Beta3,
            Momentum = Momentum ?? above.Momentum,
            Alpha = Alpha ?? above.Alpha,
            AlphaSteps = AlphaSteps ?? above.AlphaSteps,
            Beta3Steps = Beta3Steps ?? above.Beta3Steps,
            Epsilon = Epsilon ?? above.Epsilon,
            WeightDecay = WeightDecay ?? above.WeightDecay,
            OptimBits = OptimBits ?? above.OptimBits,
            Min8bitSize = Min8bitSize ?? above.Min8bitSize,
            MaxUnorm = MaxUnorm ?? above.MaxUnorm,
            SkipZeros = SkipZeros ?? above.SkipZeros,
            RoundingSeed = RoundingSeed ?? above.RoundingSeed,
        };

    /// <summary>The names of the options that are not null.</summary>
    internal IEnumerable<string> Given() =>
        typeof(OptimizerSettings)
            .GetProperties()
            .Where(property => property.GetValue(this) is not null)
            .Select(property => property.Name);
}
