using System.Text.Json.Nodes;

namespace NBit.Training.Callbacks;

/// <summary>Writes checkpoints: the best ones by a metric, and the last one. Each is written beside its target and renamed into place.</summary>
/// <param name="directory">The folder; null for <c>checkpoints</c> in the trainer's folder.</param>
/// <param name="monitor">The metric that decides which are best; null to keep the newest.</param>
/// <param name="mode">Which values of it are better.</param>
/// <param name="saveTopK">How many to keep; 0 for none, -1 for all.</param>
/// <param name="saveLast">Whether to write <c>last.safetensors</c> each time too, to resume from.</param>
/// <param name="everyNTrainSteps">Save every so many optimizer steps; null to save by epochs.</param>
/// <param name="everyNEpochs">Save every so many epochs.</param>
public sealed class ModelCheckpoint(
    string? directory = null,
    string? monitor = null,
    MonitorMode mode = MonitorMode.Min,
    int saveTopK = 1,
    bool saveLast = true,
    int? everyNTrainSteps = null,
    int everyNEpochs = 1) : Callback
{
    private const string Extension = ".safetensors";
    private readonly List<(string File, double Score)> _kept = []; // the best first, or the newest

    /// <summary>The best checkpoint so far, or the newest where nothing is monitored; null before the first.</summary>
    public string? BestModelPath => _kept.Count == 0 ? null : _kept[0].File;

    /// <summary>The metric of the best checkpoint.</summary>
    public double? BestModelScore => _kept.Count == 0 || monitor is null ? null : _kept[0].Score;

    /// <summary>Where the last checkpoint is, if there is one.</summary>
    /// <param name="trainer">The trainer whose folder counts where none was given.</param>
    /// <returns>The path of <c>last.safetensors</c>.</returns>
    public string LastPath(Trainer trainer) => Path.Combine(Folder(trainer), "last" + Extension);

    /// <summary>Writes <c>last.safetensors</c> now.</summary>
    /// <param name="trainer">The trainer.</param>
    public void SaveLast(Trainer trainer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        trainer.SaveCheckpoint(LastPath(trainer));
    }

    /// <inheritdoc />
    public override void OnTrainBatchEnd(Trainer trainer, bool steppedOptimizer)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (steppedOptimizer && everyNTrainSteps is { } steps && trainer.GlobalStep % steps == 0)
        {
            Save(trainer);
        }
    }

    /// <inheritdoc />
    public override void OnTrainEpochEnd(Trainer trainer, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (everyNTrainSteps is null && trainer.CurrentEpoch % everyNEpochs == 0)
        {
            Save(trainer);
        }
    }

    /// <inheritdoc />
    public override JsonNode? SaveState() => new JsonObject
    {
        ["kept"] = new JsonArray([.. _kept.Select(entry => new JsonArray(entry.File, CheckpointNumbers.Write(entry.Score)))]),
    };

    /// <inheritdoc />
    public override void LoadState(JsonNode state)
    {
        ArgumentNullException.ThrowIfNull(state);
        _kept.Clear();
        _kept.AddRange(state["kept"]!.AsArray().Select(entry => (entry![0]!.GetValue<string>(), CheckpointNumbers.Read(entry[1]!))));
    }

    private string Folder(Trainer trainer) => Path.GetFullPath(directory
        ?? (trainer.DefaultRootDir is { } root ? Path.Combine(root, "checkpoints") : throw new InvalidOperationException(
            "ModelCheckpoint has no folder: give it a directory, or the Trainer a defaultRootDir")));

    // The list is brought up to date first, so that the checkpoint that is written knows of itself.
    private void Save(Trainer trainer)
    {
        var score = monitor is null ? trainer.GlobalStep : trainer.Monitored(monitor, nameof(ModelCheckpoint));
        var file = Path.Combine(Folder(trainer), $"epoch={trainer.CurrentEpoch}-step={trainer.GlobalStep}{Extension}");
        _kept.RemoveAll(entry => entry.File == file);
        var better = monitor is null ? MonitorMode.Max : mode;
        var rank = _kept.FindIndex(entry => better.IsBetter(score, entry.Score));
        _kept.Insert(rank < 0 ? _kept.Count : rank, (file, score));
        var dropped = saveTopK < 0 ? [] : _kept.Skip(saveTopK).ToList();
        _kept.RemoveAll(dropped.Contains);
        if (_kept.Contains((file, score)))
        {
            trainer.SaveCheckpoint(file);
        }

        if (saveLast)
        {
            SaveLast(trainer);
        }

        dropped.ForEach(entry => File.Delete(entry.File));
    }
}
