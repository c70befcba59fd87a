using System.Text.Json.Nodes;
using NBit.Checkpoints;
using NBit.Training.Callbacks;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>The whole state of a fit in one safetensors file.</summary>
/// <remarks>
/// Tensors: <c>state_dict/NAME</c> in the precision's dtype, <c>optimizer_states/I</c> (TorchSharp's own serialization,
/// as bytes) or <c>optimizer_states/I/NAME</c> (NBit's optimizers), and <c>random/cpu</c>. Everything else is JSON in
/// the metadata entry <c>nbit.training</c>, with the names that Lightning's checkpoints have.
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
        var tensors = ModelWeights
            .Of(module)
            .Select(entry => (Weights + entry.Name, entry.Tensor))
            .Concat(
                trainer.Optimizers.SelectMany(
                    (configuration, index) => OptimizerStates.Save(configuration.Optimizer, OptimizerKey(index))
                )
            )
            .Append((Random, random.get_rng_state()));
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [MetadataKey] = StateOf(trainer, module).ToJsonString(),
        };
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        SafetensorsWriter.Save(path, tensors.ToList(), metadata);
    }

    /// <summary>
    /// Restores a state. The weights come last: what does not fit is found before one of them is changed.
    /// </summary>
    /// <param name="trainer">The trainer, with its optimizers and schedulers made for this fit.</param>
    /// <param name="module">The module, set up.</param>
    /// <param name="from">A path, or "last".</param>
    /// <exception cref="CheckpointMismatchException">
    /// The checkpoint is of another model or optimizer, or damaged.
    /// </exception>
    public static void Resume(Trainer trainer, TrainingModule module, string from)
    {
        if ((from == "last" ? LastPath(trainer) : from) is not { } path)
        {
            return; // nothing was saved yet
        }

        using var reader = SafetensorsReader.Open(path);
        var metadata = $"{path}: the metadata entry '{MetadataKey}'";
        var state = ReadState(reader, path, metadata, trainer.Precision.GetType().Name);
        var weights = MatchWeights(reader, module, path);
        using var generator = ReadRandom(reader, path);
        var optimizers = trainer
            .Optimizers.Select((configuration, index) => (configuration.Optimizer, Key: OptimizerKey(index)))
            .ToList();
        optimizers.ForEach(entry => OptimizerStates.Check(entry.Optimizer, reader, entry.Key, path));
        CheckpointJson.Read(metadata, () => SchedulerStates.Check(trainer.Optimizers, state.Schedulers, path));
        module.OnLoadCheckpoint(state.Module);
        var savedTypes = new Dictionary<Tensor, ScalarType>(ReferenceEqualityComparer.Instance);
        foreach (var (entry, target) in weights.Copied)
        {
            savedTypes[target] = reader.Header.GetEntry(entry).DataType.ToScalarType()!.Value;
        }

        optimizers.ForEach(entry => OptimizerStates.Load(entry.Optimizer, reader, entry.Key, savedTypes, path));
        CheckpointJson.Read(
            metadata,
            () =>
            {
                SchedulerStates.Load(trainer.Optimizers, state.Schedulers);
                LoadCallbacks(trainer, state.Callbacks);
                if (state.Precision is { } precision)
                {
                    trainer.Precision.LoadStateDict(precision);
                }
            }
        );
        random.set_rng_state(generator);
        weights.Load();
        trainer.Progress = state.Progress;
        trainer.Metrics.Load(state.Latest, state.Means);
    }

    /// <summary>
    /// Loads the weights of a training checkpoint, or of a plain safetensors file; they are cast to the dtype that the
    /// model has.
    /// </summary>
    /// <exception cref="CheckpointMismatchException">The file is of another model; nothing was changed.</exception>
    public static void LoadWeights(TrainingModule module, string path)
    {
        using var reader = SafetensorsReader.Open(path);
        MatchWeights(reader, module, path).Load();
    }

    private static string? LastPath(Trainer trainer)
    {
        var callback =
            trainer.Callbacks.OfType<ModelCheckpoint>().FirstOrDefault()
            ?? throw new InvalidOperationException(
                "resumeFrom is \"last\", but the trainer writes no checkpoints: give it a defaultRootDir or a ModelCheckpoint, or give the path"
            );
        var path = callback.LastPath(trainer);
        return File.Exists(path) ? path : null;
    }

    private static JsonObject StateOf(Trainer trainer, TrainingModule module)
    {
        var own = new JsonObject();
        module.OnSaveCheckpoint(own);
        var (latest, means) = trainer.Metrics.Save();
        var state = new JsonObject
        {
            ["version"] = Version,
            ["precision"] = trainer.Precision.Name,
            ["epoch"] = trainer.Progress.Epoch,
            ["global_step"] = trainer.Progress.GlobalStep,
            ["loops"] = new JsonObject
            {
                ["batch"] = trainer.Progress.Batch,
                ["latest"] = Numbers(latest),
                ["means"] = new JsonObject(
                    means.Select(mean =>
                        KeyValuePair.Create<string, JsonNode?>(
                            mean.Key,
                            new JsonArray(
                                CheckpointNumbers.Write(mean.Value.Sum),
                                CheckpointNumbers.Write(mean.Value.Weight)
                            )
                        )
                    )
                ),
            },
            ["lr_schedulers"] = SchedulerStates.Save(trainer.Optimizers),
            ["callbacks"] = new JsonObject(
                Keys(trainer)
                    .Select(entry => KeyValuePair.Create(entry.Key, entry.Callback.SaveState()))
                    .Where(entry => entry.Value is not null)
            ),
        };
        if (own.Count > 0)
        {
            state["module"] = own;
        }

        if (trainer.Precision.StateDict() is { Count: > 0 } precision)
        {
            state[trainer.Precision.GetType().Name] = Numbers(precision);
        }

        return state;
    }

    private static JsonObject Numbers(IReadOnlyDictionary<string, double> numbers) =>
        new(
            numbers.Select(entry =>
                KeyValuePair.Create<string, JsonNode?>(entry.Key, CheckpointNumbers.Write(entry.Value))
            )
        );

    private static Dictionary<string, double> Numbers(JsonNode numbers) =>
        numbers
            .AsObject()
            .ToDictionary(entry => entry.Key, entry => CheckpointNumbers.Read(entry.Value), StringComparer.Ordinal);

    // Callbacks of the same kind and settings have the same key: the later ones get a number.
    private static List<(string Key, Callback Callback)> Keys(Trainer trainer) =>
        [
            .. trainer
                .Callbacks.GroupBy(callback => callback.StateKey, StringComparer.Ordinal)
                .SelectMany(same =>
                    same.Select((callback, index) => (index == 0 ? same.Key : $"{same.Key} {index + 1}", callback))
                ),
        ];

    private static SavedState ReadState(SafetensorsReader reader, string path, string where, string precisionKey)
    {
        if (!reader.Header.Metadata.TryGetValue(MetadataKey, out var text))
        {
            throw new CheckpointMismatchException(
                $"{path} is no training checkpoint: its metadata lack '{MetadataKey}'. To load weights alone, pass it to Validate, Test or Predict."
            );
        }

        var state = CheckpointJson.Read(
            where,
            () => JsonNode.Parse(text) as JsonObject ?? throw new FormatException("it is no object")
        );
        var version = CheckpointJson.Read(where, () => state.Member("version").GetValue<int>());
        return version == Version
            ? CheckpointJson.Read(where, () => ParseState(state, precisionKey))
            : throw new CheckpointMismatchException(
                $"{path} has version {version} of NBit's training checkpoints; this version of NBit reads {Version}"
            );
    }

    private static SavedState ParseState(JsonObject state, string precisionKey)
    {
        var loops = state.Member("loops");
        return new SavedState(
            new FitProgress
            {
                Epoch = (int)Count(state, "epoch", int.MaxValue),
                GlobalStep = Count(state, "global_step", long.MaxValue),
                Batch = (int)Count(loops, "batch", int.MaxValue),
            },
            Numbers(loops.Member("latest")),
            loops
                .Member("means")
                .AsObject()
                .ToDictionary(mean => mean.Key, mean => ParseMean(mean.Value), StringComparer.Ordinal),
            state.Member("lr_schedulers").AsArray(),
            state.Member("callbacks").AsObject(),
            state["module"]?.AsObject() ?? [],
            (state[precisionKey] ?? state[OldScalerKey]) is { } precision ? Numbers(precision) : null
        );
    }

    private static long Count(JsonNode node, string name, long most) =>
        node.Member(name).GetValue<long>() is var count && count >= 0 && count <= most
            ? count
            : throw new FormatException($"'{name}' is {node[name]}; allowed are 0 to {most}");

    private static MetricStore.Mean ParseMean(JsonNode? mean) =>
        mean is JsonArray { Count: 2 } pair
            ? new MetricStore.Mean(CheckpointNumbers.Read(pair[0]), CheckpointNumbers.Read(pair[1]))
            : throw new FormatException("a mean is no pair of a sum and a weight");

    private static void LoadCallbacks(Trainer trainer, JsonObject states)
    {
        foreach (var (key, callback) in Keys(trainer))
        {
            if (states[key] is { } saved)
            {
                callback.LoadState(saved);
            }
        }
    }

    private static Tensor ReadRandom(SafetensorsReader reader, string path)
    {
        if (!reader.Header.TryGetEntry(Random, out var entry))
        {
            throw new CheckpointMismatchException(
                $"{path} has no tensor '{Random}', the state of libtorch's random numbers"
            );
        }

        using var current = random.get_rng_state();
        if (entry.DataType != SafetensorsDataType.UInt8 || !entry.Shape.SequenceEqual(current.shape))
        {
            throw new CheckpointMismatchException( // libtorch would end the process
                $"{path}: the tensor '{Random}', the state of libtorch's random numbers, is {entry}; it must be "
                    + $"{SafetensorsDataType.UInt8.Code()} [{string.Join(", ", current.shape)}]"
            );
        }

        return RandomState.IsValid(reader.ReadBytes(Random))
            ? reader.Read(Random)
            : throw new CheckpointMismatchException(
                $"{path} is damaged: the tensor '{Random}' is no state of libtorch's random numbers"
            );
    }

    private static ModelWeights MatchWeights(SafetensorsReader reader, TrainingModule module, string path)
    {
        var prefix = reader.Header.Metadata.ContainsKey(MetadataKey) ? Weights : "";
        var weights = ModelWeights.Match(reader, module, prefix);
        var faults = weights.Faults;
        return faults.Count == 0
            ? weights
            : throw new CheckpointMismatchException(
                $"{path} is of another model than {module.GetType().Name}: {string.Join("; ", faults.Take(5))}"
                    + (faults.Count > 5 ? $"; and {faults.Count - 5} more" : "")
            );
    }

    private sealed record SavedState(
        FitProgress Progress,
        Dictionary<string, double> Latest,
        Dictionary<string, MetricStore.Mean> Means,
        JsonArray Schedulers,
        JsonObject Callbacks,
        JsonObject Module,
        IReadOnlyDictionary<string, double>? Precision
    );
}
