using System.Text.Json.Nodes;

namespace NBit.Training.Callbacks;

/// <summary>
/// Writes checkpoints: the best ones by a metric, and the last one. Each is written beside its target and renamed into
/// place.
/// </summary>
public sealed class ModelCheckpoint : Callback
{
    private const string Extension = ".safetensors";
    private readonly string? _directory,
        _monitor;
    private readonly MonitorMode _mode;
    private readonly int _saveTopK,
        _everyNEpochs;
    private readonly bool _saveLast;
    private readonly int? _everyNTrainSteps;
    private readonly List<(string File, double Score)> _kept = []; // the best first, or the newest
    private bool _hasValidated;

    /// <summary>
    /// Creates the callback. A trainer with a folder has one with these defaults unless others are given.
    /// </summary>
    /// <param name="directory">The folder; null for <c>checkpoints</c> in the trainer's folder.</param>
    /// <param name="monitor">
    /// The metric that decides which are best; null to keep the newest. Until the first validation of a fit that has
    /// one, a metric that was not logged yet is waited for: only the last checkpoint is written.
    /// </param>
    /// <param name="mode">Which values of it are better. NaN is worse than any other.</param>
    /// <param name="saveTopK">How many to keep; 0 for none, -1 for all.</param>
    /// <param name="saveLast">Whether to write <c>last.safetensors</c> each time too, to resume from.</param>
    /// <param name="everyNTrainSteps">Save every so many optimizer steps; null to save by epochs.</param>
    /// <param name="everyNEpochs">Save every so many epochs.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A number is below 1, or <paramref name="saveTopK" /> below -1.
    /// </exception>
    public ModelCheckpoint(
        string? directory = null,
        string? monitor = null,
        MonitorMode mode = MonitorMode.Min,
        int saveTopK = 1,
        bool saveLast = true,
        int? everyNTrainSteps = null,
        int everyNEpochs = 1
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(saveTopK, -1);
        ArgumentOutOfRangeException.ThrowIfLessThan(everyNTrainSteps ?? 1, 1, nameof(everyNTrainSteps));
        ArgumentOutOfRangeException.ThrowIfLessThan(everyNEpochs, 1);
        (_directory, _monitor, _mode, _saveTopK, _saveLast) = (directory, monitor, mode, saveTopK, saveLast);
        (_everyNTrainSteps, _everyNEpochs) = (everyNTrainSteps, everyNEpochs);
    }

    /// <inheritdoc />
    public override string StateKey =>
        $"{nameof(ModelCheckpoint)} {_monitor ?? "newest"} {_mode} "
        + $"{(_everyNTrainSteps is { } steps ? $"{steps} steps" : $"{_everyNEpochs} epochs")}";

    /// <summary>The best checkpoint so far, or the newest where nothing is monitored; null before the first.</summary>
    public string? BestModelPath => _kept.Count == 0 ? null : _kept[0].File;

    /// <summary>The metric of the best checkpoint.</summary>
    public double? BestModelScore => _kept.Count == 0 || _monitor is null ? null : _kept[0].Score;

    /// <summary>Where the last checkpoint is, if there is one.</summary>
    /// <param name="trainer">The trainer whose folder counts where none was given.</param>
    /// <returns>The path of <c>last.safetensors</c>.</returns>
    /// <exception cref="InvalidOperationException">Neither has a folder.</exception>
    public string LastPath(Trainer trainer) => Path.Combine(Folder(trainer), "last" + Extension);

    /// <summary>Writes <c>last.safetensors</c> now.</summary>
    /// <param name="trainer">The trainer.</param>
    /// <exception cref="InvalidOperationException">Nothing is being fitted, or there is no folder.</exception>
    public void SaveLast(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        trainer.SaveCheckpoint(LastPath(trainer));
    }

    /// <inheritdoc />
    /// <exception cref="InvalidOperationException">There is no folder.</exception>
    public override void OnFitStart(Trainer trainer)
    {
        // A run that goes on in another folder leaves the checkpoints of the one before alone.
        var folder = Folder(trainer);
        _kept.RemoveAll(entry => Path.GetDirectoryName(entry.File) != folder);
        _hasValidated = false;
    }

    /// <inheritdoc />
    public override void OnValidationEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics) =>
        _hasValidated = true;

    /// <inheritdoc />
    public override void OnTrainBatchEnd(Trainer trainer, bool steppedOptimizer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (steppedOptimizer && _everyNTrainSteps is { } steps && trainer.GlobalStep % steps == 0)
        {
            Save(trainer);
        }
    }

    /// <inheritdoc />
    public override void OnTrainEpochEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (_everyNTrainSteps is null && trainer.CurrentEpoch % _everyNEpochs == 0)
        {
            Save(trainer);
        }
    }

    /// <inheritdoc />
    public override JsonNode? SaveState() =>
        new JsonObject
        {
            ["kept"] = new JsonArray([
                .. _kept.Select(entry => new JsonArray(entry.File, CheckpointNumbers.Write(entry.Score))),
            ]),
        };

    /// <inheritdoc />
    public override void LoadState(JsonNode state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var kept = state
            .Member("kept")
            .AsArray()
            .Select(entry =>
                entry is JsonArray { Count: 2 } pair && pair[0] is { } file
                    ? (file.GetValue<string>(), CheckpointNumbers.Read(pair[1]))
                    : throw new FormatException("a kept checkpoint is no pair of a file and a score")
            )
            .ToList();
        _kept.Clear();
        _kept.AddRange(kept);
    }

    private string Folder(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        return Path.GetFullPath(
            _directory
                ?? (
                    trainer.DefaultRootDir is { } root
                        ? Path.Combine(root, "checkpoints")
                        : throw new InvalidOperationException(
                            "ModelCheckpoint has no folder: give it a directory, or the Trainer a defaultRootDir"
                        )
                )
        );
    }

    // The list is brought up to date first, so that the checkpoint that is written knows of itself.
    private void Save(Trainer trainer)
    {
        var dropped = new List<string>();
        if (Score(trainer) is { } score)
        {
            var file = Path.Combine(
                Folder(trainer),
                $"epoch={trainer.CurrentEpoch}-step={trainer.GlobalStep}{Extension}"
            );
            Rank(file, score);
            dropped.AddRange(Drop());
            if (!dropped.Contains(file, StringComparer.Ordinal))
            {
                trainer.SaveCheckpoint(file);
            }
        }

        if (_saveLast)
        {
            SaveLast(trainer);
        }

        var others = trainer
            .Callbacks.OfType<ModelCheckpoint>()
            .SelectMany(callback => callback._kept)
            .Select(entry => entry.File);
        foreach (var file in dropped.Except(others, StringComparer.Ordinal).Where(file => IsOwn(file, trainer)))
        {
            File.Delete(file);
        }
    }

    // The list may come from a checkpoint that someone else wrote: no other file of the user's may be deleted by it.
    private bool IsOwn(string file, Trainer trainer) =>
        file.EndsWith(Extension, StringComparison.Ordinal)
        && Path.IsPathFullyQualified(file)
        && Path.GetDirectoryName(Path.GetFullPath(file)) == Folder(trainer)
        && File.Exists(file);

    // Null where the metric is still to come.
    private double? Score(Trainer trainer) =>
        _monitor is null ? trainer.GlobalStep
        : trainer.Validates && !_hasValidated && !trainer.LoggedMetrics.ContainsKey(_monitor) ? null
        : trainer.Monitored(_monitor, nameof(ModelCheckpoint));

    private void Rank(string file, double score)
    {
        _kept.RemoveAll(entry => entry.File == file);
        var mode = _monitor is null ? MonitorMode.Max : _mode;
        var rank = _kept.FindIndex(entry => mode.IsBetter(score, entry.Score));
        _kept.Insert(rank < 0 ? _kept.Count : rank, (file, score));
    }

    private List<string> Drop()
    {
        var dropped = _saveTopK < 0 ? [] : _kept.Skip(_saveTopK).Select(entry => entry.File).ToList();
        _kept.RemoveAll(entry => dropped.Contains(entry.File, StringComparer.Ordinal));
        return dropped;
    }
}
