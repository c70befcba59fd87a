using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>When a learning-rate scheduler steps.</summary>
public enum SchedulerInterval
{
    /// <summary>At the end of an epoch, after validation.</summary>
    Epoch,

    /// <summary>After an optimizer step.</summary>
    Step,
}

/// <summary>A learning-rate scheduler and when it steps.</summary>
/// <param name="Scheduler">The scheduler, of the same optimizer.</param>
/// <param name="Interval">Whether it steps by epochs or by optimizer steps.</param>
/// <param name="Frequency">Every how many of them.</param>
/// <param name="Monitor">The logged metric that is given to a scheduler which needs one (ReduceLROnPlateau).</param>
/// <exception cref="ArgumentOutOfRangeException">The frequency is below 1.</exception>
public sealed record SchedulerConfiguration(
    optim.lr_scheduler.LRScheduler Scheduler,
    SchedulerInterval Interval = SchedulerInterval.Epoch,
    int Frequency = 1,
    string? Monitor = null
)
{
    /// <summary>Every how many epochs or optimizer steps the scheduler steps.</summary>
    public int Frequency { get; init; } =
        Frequency >= 1
            ? Frequency
            : throw new ArgumentOutOfRangeException(
                nameof(Frequency),
                Frequency,
                "the frequency of a learning-rate scheduler is 1 or more epochs or steps"
            );
}

/// <summary>
/// What <see cref="TrainingModule.ConfigureOptimizers" /> gives: an optimizer, perhaps with a scheduler. Converts from
/// an optimizer.
/// </summary>
/// <param name="Optimizer">The optimizer.</param>
/// <param name="Scheduler">Its scheduler, or null.</param>
public sealed record OptimizerConfiguration(optim.Optimizer Optimizer, SchedulerConfiguration? Scheduler = null)
{
    /// <summary>An optimizer without scheduler.</summary>
    /// <param name="optimizer">The optimizer.</param>
    public static implicit operator OptimizerConfiguration(optim.Optimizer optimizer) => FromOptimizer(optimizer);

    /// <summary>An optimizer without scheduler.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <returns>The configuration.</returns>
    public static OptimizerConfiguration FromOptimizer(optim.Optimizer optimizer) => new(optimizer);
}
