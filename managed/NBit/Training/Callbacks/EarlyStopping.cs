using System.Text.Json.Nodes;

namespace NBit.Training.Callbacks;

/// <summary>Ends training when a metric has stopped getting better.</summary>
/// <param name="monitor">The metric, looked at after each validation, or after each epoch where there is none.</param>
/// <param name="minDelta">A change that is smaller does not count as better.</param>
/// <param name="patience">How many looks in a row without a better value end training.</param>
/// <param name="mode">Which values are better.</param>
public sealed class EarlyStopping(string monitor, double minDelta = 0, int patience = 3, MonitorMode mode = MonitorMode.Min) : Callback
{
    private bool _looksAtValidation;

    /// <summary>The best value so far.</summary>
    public double BestScore { get; private set; } = mode.Worst();

    /// <summary>Looks since the best value.</summary>
    public int WaitCount { get; private set; }

    /// <inheritdoc />
    public override void OnValidationEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        _looksAtValidation = true;
        Look(trainer);
    }

    /// <inheritdoc />
    public override void OnTrainEpochEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        if (!_looksAtValidation)
        {
            Look(trainer);
        }
    }

    /// <inheritdoc />
    public override JsonNode? SaveState() => new JsonObject { ["best_score"] = CheckpointNumbers.Write(BestScore), ["wait_count"] = WaitCount };

    /// <inheritdoc />
    public override void LoadState(JsonNode state)
    {
        ArgumentNullException.ThrowIfNull(state);
        BestScore = CheckpointNumbers.Read(state["best_score"]!);
        WaitCount = state["wait_count"]!.GetValue<int>();
    }

    private void Look(Trainer trainer)
    {
        var value = trainer.Monitored(monitor, nameof(EarlyStopping));
        if (mode.IsBetter(value, BestScore, minDelta))
        {
            (BestScore, WaitCount) = (value, 0);
        }
        else if (++WaitCount >= patience || !double.IsFinite(value))
        {
            trainer.ShouldStop = true;
        }
    }
}
