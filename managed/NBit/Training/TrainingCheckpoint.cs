using System.Text.Json;
using System.Text.Json.Nodes;
using NBit.Checkpoints;
using NBit.Training.Callbacks;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>The whole state of a fit in one safetensors file.</summary>
/// <remarks>
/// Tensors: <c>state_dict/NAME</c> in the precision's dtype, <c>optimizer_states/I</c> (TorchSharp's own serialization, as bytes) and
/// <c>random/cpu</c>. Everything else is JSON in the metadata entry <c>nbit.training</c>, with the names that Lightning's checkpoints have.
/// </remarks>
internal static class TrainingCheckpoint
{
    private const string MetadataKey = "nbit.training";
    private const int Version = 1;
    private const string Weights = "state_dict/";
    private const string Random = "random/cpu";

    /// <summary>The name that Lightning's first versions gave the scaler's state.</summary>
    private const string OldScalerKey = "native_amp_scaling_state";

    private static string OptimizerKey(int index) => $"optimizer_states/{index}";

    /// <summary>Writes the state beside the target and renames it into place.</summary>
    public static void Save(Trainer trainer, TrainingModule module, string path)
    {
        using var scope = NewDisposeScope();
        var tensors = module.state_dict().Select(entry => (Weights + entry.Key, entry.Value))
            .Concat(trainer.Optimizers.Select((configuration, index) => (OptimizerKey(index), OptimizerStates.Save(configuration.Optimizer))))
            .Append((Random, random.get_rng_state()));
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal) { [MetadataKey] = State(trainer).ToJsonString() };
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        SafetensorsWriter.Save(path, tensors.ToList(), metadata);
    }

    /// <summary>Restores a state. Everything is checked before anything is changed.</summary>
    /// <param name="trainer">The trainer, with its optimizers made.</param>
    /// <param name="module">The module, set up.</param>
    /// <param name="from">A path, or "last".</param>
    /// <exception cref="CheckpointMismatchException">The checkpoint is of another model or optimizer.</exception>
    public static void Resume(Trainer trainer, TrainingModule module, string from)
    {
        if ((from == "last" ? LastPath(trainer) : from) is not { } path)
        {
            return; // nothing was saved yet
        }

        using var reader = SafetensorsReader.Open(path);
        var state = ReadState(reader, path);
        var weights = MatchWeights(reader, module, path);
        for (var i = 0; i < trainer.Optimizers.Count; i++)
        {
            OptimizerStates.Check(trainer.Optimizers[i].Optimizer, reader, OptimizerKey(i), path);
        }

        SchedulerStates.Check(trainer.Optimizers, (JsonArray)state["lr_schedulers"]!, path);
        CopyWeights(reader, weights);
        for (var i = 0; i < trainer.Optimizers.Count; i++)
        {
            OptimizerStates.Load(trainer.Optimizers[i].Optimizer, reader, OptimizerKey(i));
        }

        SchedulerStates.Load(trainer.Optimizers, (JsonArray)state["lr_schedulers"]!);
        using (var generator = reader.Read(Random))
        {
            random.set_rng_state(generator);
        }

        LoadState(trainer, state);
    }

    /// <summary>Loads the weights of a training checkpoint, or of a plain safetensors file; they are cast to the dtype that the model has.</summary>
    /// <exception cref="CheckpointMismatchException">The file is of another model; nothing was changed.</exception>
    public static void LoadWeights(TrainingModule module, string path)
    {
        using var reader = SafetensorsReader.Open(path);
        CopyWeights(reader, MatchWeights(reader, module, path));
    }

    private static string? LastPath(Trainer trainer)
    {
        var callback = trainer.Callbacks.OfType<ModelCheckpoint>().FirstOrDefault() ?? throw new InvalidOperationException(
            "resumeFrom is \"last\", but the trainer writes no checkpoints: give it a defaultRootDir or a ModelCheckpoint, or give the path");
        var path = callback.LastPath(trainer);
        return File.Exists(path) ? path : null;
    }

    private static JsonObject State(Trainer trainer)
    {
        var state = new JsonObject
        {
            ["version"] = Version,
            ["precision"] = trainer.Precision.Name,
            ["epoch"] = trainer.Progress.Epoch,
            ["global_step"] = trainer.Progress.GlobalStep,
            ["loops"] = new JsonObject
            {
                ["batch"] = trainer.Progress.Batch,
                ["means"] = new JsonObject(trainer.Metrics.SaveMeans().Select(mean => KeyValuePair.Create<string, JsonNode?>(
                    mean.Key, new JsonArray(CheckpointNumbers.Write(mean.Value.Sum), CheckpointNumbers.Write(mean.Value.Weight))))),
            },
            ["lr_schedulers"] = SchedulerStates.Save(trainer.Optimizers),
            ["callbacks"] = new JsonObject(Keys(trainer).Select(entry => KeyValuePair.Create(entry.Key, entry.Callback.SaveState()))
                .Where(entry => entry.Value is not null)),
        };
        if (trainer.Precision.StateDict() is { Count: > 0 } precision)
        {
            state[trainer.Precision.GetType().Name] = new JsonObject(
                precision.Select(entry => KeyValuePair.Create<string, JsonNode?>(entry.Key, CheckpointNumbers.Write(entry.Value))));
        }

        return state;
    }

    // Callbacks of the same kind and settings have the same key: the later ones get a number.
    private static List<(string Key, Callback Callback)> Keys(Trainer trainer) =>
    [
        .. trainer.Callbacks.GroupBy(callback => callback.StateKey, StringComparer.Ordinal)
            .SelectMany(same =>
                same.Select((callback, index) => (index == 0 ? same.Key : $"{same.Key} {index + 1}", callback))),
    ];

    private static void LoadState(Trainer trainer, JsonObject state)
    {
        var loops = state["loops"]!;
        trainer.Progress = new FitProgress
        {
            Epoch = state["epoch"]!.GetValue<int>(),
            GlobalStep = state["global_step"]!.GetValue<long>(),
            Batch = loops["batch"]!.GetValue<int>(),
        };
        trainer.Metrics.LoadMeans(loops["means"]!.AsObject().ToDictionary(
            mean => mean.Key, mean => new MetricStore.Mean(CheckpointNumbers.Read(mean.Value![0]!), CheckpointNumbers.Read(mean.Value[1]!)), StringComparer.Ordinal));
        foreach (var (key, callback) in Keys(trainer))
        {
            if (state["callbacks"]![key] is { } saved)
            {
                callback.LoadState(saved);
            }
        }

        if ((state[trainer.Precision.GetType().Name] ?? state[OldScalerKey]) is { } precision)
        {
            trainer.Precision.LoadStateDict(precision.AsObject().ToDictionary(entry => entry.Key, entry => CheckpointNumbers.Read(entry.Value!), StringComparer.Ordinal));
        }
    }

    private static JsonObject ReadState(SafetensorsReader reader, string path)
    {
        if (!reader.Header.Metadata.TryGetValue(MetadataKey, out var text))
        {
            throw new CheckpointMismatchException($"{path} is no training checkpoint: its metadata lack '{MetadataKey}'. To load weights alone, pass it to Validate, Test or Predict.");
        }

        JsonObject state;
        try
        {
            state = JsonNode.Parse(text) as JsonObject ?? throw new JsonException("it is no object");
        }
        catch (JsonException error)
        {
            throw new CheckpointMismatchException($"{path}: the metadata entry '{MetadataKey}' is damaged: {error.Message}", error);
        }

        var version = state["version"]?.GetValue<int>();
        return version == Version ? state : throw new CheckpointMismatchException(
            $"{path} has version {version} of NBit's training checkpoints; this version of NBit reads {Version}");
    }

    // Pairs each tensor of the model with its entry in the file.
    private static List<(string Entry, Tensor Target)> MatchWeights(SafetensorsReader reader, TrainingModule module, string path)
    {
        var prefix = reader.Header.Metadata.ContainsKey(MetadataKey) ? Weights : "";
        var given = reader.Header.Entries.Where(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(entry => entry.Name[prefix.Length..], StringComparer.Ordinal);
        var wanted = module.state_dict();
        var faults = wanted.Keys.Except(given.Keys, StringComparer.Ordinal).Select(name => $"{name} is missing")
            .Concat(given.Keys.Except(wanted.Keys, StringComparer.Ordinal).Select(name => $"{name} is not in the model"))
            .Concat(wanted.Where(entry => given.TryGetValue(entry.Key, out var saved) && !saved.Shape.SequenceEqual(entry.Value.shape))
                .Select(entry => $"{entry.Key} is [{string.Join(", ", given[entry.Key].Shape)}], the model has [{string.Join(", ", entry.Value.shape)}]"))
            .ToList();
        return faults.Count == 0 ? wanted.Select(entry => (prefix + entry.Key, entry.Value)).ToList() : throw new CheckpointMismatchException(
            $"{path} is of another model than {module.GetType().Name}: {string.Join("; ", faults.Take(5))}{(faults.Count > 5 ? $"; and {faults.Count - 5} more" : "")}");
    }

    private static void CopyWeights(SafetensorsReader reader, List<(string Entry, Tensor Target)> weights)
    {
        using var grad = no_grad();
        foreach (var (entry, target) in weights)
        {
            using var saved = reader.Read(entry);
            target.copy_(saved);
        }
    }
}
