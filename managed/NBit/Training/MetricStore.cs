namespace NBit.Training;

/// <summary>What modules log: the latest value of each metric, and means over the epoch that is running.</summary>
internal sealed class MetricStore
{
    private const string StepSuffix = "_step",
        EpochSuffix = "_epoch";
    private readonly Dictionary<string, double> _latest = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> _step = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _progressBar = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Mean> _epoch = new(StringComparer.Ordinal);

    /// <summary>Where the trainer is: decides what a metric counts for unless its caller does.</summary>
    public Stage Stage { get; set; }

    /// <summary>The latest value of each metric; means once their epoch has ended. What monitors read.</summary>
    public IReadOnlyDictionary<string, double> Latest => _latest;

    /// <summary>The values that were logged by the last training step.</summary>
    public IReadOnlyDictionary<string, double> LastStep => _step;

    /// <summary>What the progress bar shows.</summary>
    public IEnumerable<(string Name, double Value)> ProgressBar =>
        _progressBar.Where(_latest.ContainsKey).Select(name => (name, _latest[name]));

    public void Log(string name, double value, bool? onStep, bool? onEpoch, bool progressBar, double batchSize)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        var step = onStep ?? Stage == Stage.Training;
        var epoch = onEpoch ?? Stage != Stage.Training;
        if (step)
        {
            var key = epoch ? name + StepSuffix : name;
            _latest[key] = value;
            if (Stage == Stage.Training)
            {
                _step[key] = value;
            }
        }

        if (epoch)
        {
            var key = Key(step ? name + EpochSuffix : name);
            var mean = _epoch.GetValueOrDefault(key);
            _epoch[key] = new Mean(mean.Sum + (value * batchSize), mean.Weight + batchSize);
        }

        _latest[name] = value;
        if (progressBar)
        {
            _progressBar.Add(name);
        }
    }

    /// <summary>Forgets everything: another run begins.</summary>
    public void Clear()
    {
        _latest.Clear();
        _step.Clear();
        _progressBar.Clear();
        _epoch.Clear();
    }

    /// <summary>Forgets the values of the last step.</summary>
    public void BeginStep() => _step.Clear();

    /// <summary>Takes the means of the current stage.</summary>
    /// <param name="isWhole">Whether the epoch is over, so that the next value begins another mean.</param>
    /// <returns>The means, by name.</returns>
    public IReadOnlyDictionary<string, double> EndEpoch(bool isWhole = true)
    {
        var prefix = Key("");
        var means = _epoch
            .Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(
                entry => entry.Key[prefix.Length..],
                entry => entry.Value.Sum / entry.Value.Weight,
                StringComparer.Ordinal
            );
        foreach (var (name, value) in means)
        {
            _latest[name] = value;
            if (WithoutSuffix(name) is { } plain)
            {
                _latest[plain] = value;
            }

            if (isWhole)
            {
                _epoch.Remove(Key(name));
            }
        }

        return means;
    }

    /// <summary>
    /// The latest values and the means that are being taken, for a checkpoint in the middle of an epoch.
    /// </summary>
    public (Dictionary<string, double> Latest, Dictionary<string, Mean> Means) Save() =>
        (new(_latest, StringComparer.Ordinal), new(_epoch, StringComparer.Ordinal));

    public void Load(Dictionary<string, double> latest, Dictionary<string, Mean> means)
    {
        Clear();
        foreach (var (name, value) in latest)
        {
            _latest[name] = value;
        }

        foreach (var (name, mean) in means)
        {
            _epoch[name] = mean;
        }
    }

    // A metric that counts by step and by epoch has three names; the plain one means the mean once there is one.
    private string? WithoutSuffix(string name) =>
        name.EndsWith(EpochSuffix, StringComparison.Ordinal)
        && name[..^EpochSuffix.Length] is var plain
        && _latest.ContainsKey(plain + StepSuffix)
            ? plain
            : null;

    // Validation inside a training epoch takes its means beside those of the epoch.
    private string Key(string name) => $"{Stage}/{name}";

    /// <summary>A weighted mean in the making.</summary>
    internal readonly record struct Mean(double Sum, double Weight);
}

/// <summary>What a trainer is doing.</summary>
public enum Stage
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Fitting.</summary>
    Training,

    /// <summary>Validation, by itself or during fitting.</summary>
    Validation,

    /// <summary>Testing.</summary>
    Test,

    /// <summary>Prediction.</summary>
    Prediction,
}
