using System.Text.Json.Nodes;

namespace NBit.Training.Callbacks;

/// <summary>Ends training when a metric has stopped getting better, or is NaN or infinite.</summary>
public sealed class EarlyStopping : Callback
{
    private readonly string _monitor;
    private readonly double _minDelta;
    private readonly int _patience;
    private readonly MonitorMode _mode;

    /// <summary>Creates the callback.</summary>
    /// <param name="monitor">
    /// The metric, looked at after each validation, or after each epoch of a fit without validation.
    /// </param>
    /// <param name="minDelta">A change that is not larger does not count as better.</param>
    /// <param name="patience">How many looks in a row without a better value end training.</param>
    /// <param name="mode">Which values are better.</param>
    /// <exception cref="ArgumentException">The monitor has no name.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The difference or the patience is negative.</exception>
    public EarlyStopping(string monitor, double minDelta = 0, int patience = 3, MonitorMode mode = MonitorMode.Min)
    {
        ArgumentException.ThrowIfNullOrEmpty(monitor);
        ArgumentOutOfRangeException.ThrowIfNegative(minDelta);
        ArgumentOutOfRangeException.ThrowIfNegative(patience);
        (_monitor, _minDelta, _patience, _mode) = (monitor, minDelta, patience, mode);
        BestScore = mode.Worst();
    }

    /// <inheritdoc />
    public override string StateKey => $"{nameof(EarlyStopping)} {_monitor} {_mode}";

    /// <summary>The best value so far.</summary>
    public double BestScore { get; private set; }

    /// <summary>Looks since the best value.</summary>
    public int WaitCount { get; private set; }

    /// <inheritdoc />
    /// <exception cref="InvalidOperationException">The metric was not logged.</exception>
    public override void OnValidationEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        Look(trainer);
    }

    /// <inheritdoc />
    /// <exception cref="InvalidOperationException">The metric was not logged.</exception>
    public override void OnTrainEpochEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (!trainer.Validates)
        {
            Look(trainer);
        }
    }

    /// <inheritdoc />
    public override JsonNode? SaveState() =>
        new JsonObject { ["best_score"] = CheckpointNumbers.Write(BestScore), ["wait_count"] = WaitCount };

    /// <inheritdoc />
    public override void LoadState(JsonNode state)
    {
        ArgumentNullException.ThrowIfNull(state);
        (BestScore, WaitCount) = (
            CheckpointNumbers.Read(state.Member("best_score")),
            state.Member("wait_count").GetValue<int>()
        );
    }

    private void Look(Trainer trainer)
    {
        var value = trainer.Monitored(_monitor, nameof(EarlyStopping));
        if (!double.IsFinite(value))
        {
            trainer.ShouldStop = true;
        }
        else if (_mode.IsBetter(value, BestScore, _minDelta))
        {
            (BestScore, WaitCount) = (value, 0);
        }
        else if (++WaitCount >= _patience)
        {
            trainer.ShouldStop = true;
        }
    }
}
