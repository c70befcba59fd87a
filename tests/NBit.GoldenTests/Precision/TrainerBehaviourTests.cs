using System.Text.Json;
using NBit.Amp;
using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using NBit.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>
/// precision/plugin_behaviours.json: the Trainer's hooks in order and with values, its contexts, checkpoints and
/// resume.
/// </summary>
public sealed class TrainerBehaviourTests
{
    private static readonly JsonElement Recorded = GoldenFolder.Json("precision/plugin_behaviours.json");
    private string _folder = "";

    private static IEnumerable<TestCaseData> Hooks() => Cases("trainer_hooks");

    private static IEnumerable<TestCaseData> Optimizers() => Cases("trainer_optimizers");

    private static IEnumerable<TestCaseData> Checkpoints() => Cases("trainer_checkpoint");

    private static IEnumerable<TestCaseData> Resumes() => Cases("trainer_resume");

    private static IEnumerable<TestCaseData> Steps() => Cases("trainer_init_and_steps");

    private static IEnumerable<TestCaseData> Cases(string group) =>
        Recorded
            .Properties(group)
            .Select(entry => new TestCaseData(entry.Name, entry.Value).SetName($"{group} {entry.Name}"));

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nbit-golden-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    // "16-mixed (scale 8), overflow at batch 1, clip norm 1.0"
    [TestCaseSource(nameof(Hooks))]
    public void Hooks_come_in_the_recorded_order_with_the_recorded_values(string name, JsonElement expected)
    {
        bool Has(string words) => name.Contains(words, StringComparison.Ordinal);
        using var scope = NewDisposeScope();
        using var module = new HookedModule(
            Has("returns None at batch 1") ? [1] : null,
            Has("overflow at batch 1") ? [1] : null,
            Has("manual optimization")
        );
        using var trainer = MakeTrainer(
            name.Split(' ', ',')[0],
            scale: 8,
            clip: Has("clip norm 1.0") || Has("gradient_clip_val") ? 1.0
                : Has("clip value 0.25") ? 0.25
                : null,
            algorithm: Has("clip value") ? GradientClipAlgorithm.Value : null,
            accumulate: Has("accumulate_grad_batches=2") ? 2 : 1
        );
        var batches = expected
            .Items("events")
            .Where(entry => entry[0].GetString() == "training_step")
            .Select(entry => entry[1].GetInt32() + 1)
            .DefaultIfEmpty(1)
            .Max();
        try
        {
            trainer.Fit(module, Batches(batches));
        }
        catch (InvalidOperationException error)
        {
            Outcome.CheckError(expected, error);
            return;
        }

        var events = expected.Items("events").ToList();
        Assert.That(module.Events.Select(seen => seen[0]), Is.EqualTo(events.Select(entry => entry[0].GetString())));
        foreach (var (seen, entry) in module.Events.Zip(events))
        {
            AssertEvent(seen, entry);
        }

        Assert.That(trainer.GlobalStep, Is.EqualTo((long)expected.Number("global_step")!));
        AssertScaler(trainer, expected.Get("scaler"));
    }

    [TestCaseSource(nameof(Optimizers))]
    public void Optimizers_are_allowed_as_recorded(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        using var module = new HookedModule(
            optimizer: name.Contains("LBFGS", StringComparison.Ordinal) ? "lbfgs" : "fused"
        );
        using var trainer = MakeTrainer(
            name.Split(' ')[0],
            scale: 8,
            clip: name.EndsWith("clip 1.0", StringComparison.Ordinal) ? 1.0 : null
        );
        try
        {
            trainer.Fit(module, Batches(1));
        }
        catch (NotSupportedException error)
        {
            Outcome.CheckError(expected, error);
            return;
        }

        Assert.That(expected.GetString(), Is.EqualTo("ok"));
    }

    [TestCaseSource(nameof(Checkpoints))]
    public void A_checkpoint_has_the_recorded_entries(string mode, JsonElement expected)
    {
        using var reader = SafetensorsReader.Open(WriteCheckpoint(mode));
        var state = JsonDocument.Parse(reader.Header.Metadata["nbit.training"]).RootElement;
        var keys = state
            .EnumerateObject()
            .Select(entry => entry.Name)
            .Concat(reader.Header.Entries.Select(entry => entry.Name.Split('/')[0]))
            .Distinct(StringComparer.Ordinal)
            .Except(["version", "precision", "random"], StringComparer.Ordinal); // NBit's own
        Assert.That(keys, Is.EquivalentTo(expected.Items("keys").Select(key => key.GetString())));
        if (expected.Get("precision_entry")!.Value.Get("MixedPrecision") is { } scaler)
        {
            GradScalerTests.AssertState(
                state
                    .GetProperty("MixedPrecision")
                    .EnumerateObject()
                    .ToDictionary(entry => entry.Name, entry => entry.Value.Number(), StringComparer.Ordinal),
                scaler
            );
        }

        using var weight = reader.Read("state_dict/l.weight");
        Assert.That(weight.dtype.Name(), Is.EqualTo(expected.Text("weight_dtype")));
    }

    // "saved by 16-mixed, resumed with 32-true"
    [TestCaseSource(nameof(Resumes))]
    public void A_run_resumes_as_recorded(string name, JsonElement expected)
    {
        var isOldKey = name.StartsWith("old key", StringComparison.Ordinal);
        var (saved, resumed) = isOldKey ? ("16-mixed", "16-mixed") : (name.Split(' ', ',')[2], name.Split(' ')[^1]);
        var path = WriteCheckpoint(saved);
        if (isOldKey)
        {
            RenameScaler(path, scale: 3);
        }

        using var scope = NewDisposeScope();
        using var module = new HookedModule();
        using var trainer = MakeTrainer(resumed, scale: 2, maxEpochs: isOldKey ? 1 : 2, growthInterval: 2000);
        trainer.Fit(module, Batches(3), resumeFrom: path);
        AssertScaler(trainer, isOldKey ? expected : expected.Get("scaler_after"));
        if (!isOldKey)
        {
            Assert.That(module.WeightType.Name(), Is.EqualTo(expected.Text("weight_dtype")));
        }
    }

    [TestCaseSource(nameof(Steps))]
    public void Contexts_of_the_trainer_are_as_recorded(string mode, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        using var trainer = MakeTrainer(mode, scale: 65536);
        var init = expected.Get("trainer.init_module")!.Value;
        using (trainer.InitModule())
        using (var layer = nn.Linear(4, 4))
        {
            Assert.That(layer.weight.dtype.Name(), Is.EqualTo(init.Text("weight")));
            Assert.That(get_default_dtype().Name(), Is.EqualTo(init.Text("default_dtype")));
        }

        // new_complex is not compared: a complex literal of C# has its own dtype, whatever the default is.
        using var module = new ProbeModule();
        trainer.Test(module, [ones(2, 2)]);
        foreach (var (name, values) in module.Seen)
        {
            foreach (var (key, value) in values)
            {
                Assert.That(value, Is.EqualTo(expected.Get(name)!.Value.Get(key)?.ToString()), $"{name} {key}");
            }
        }

        Assert.That(
            module
                .state_dict()
                .ToDictionary(entry => entry.Key, entry => entry.Value.dtype.Name(), StringComparer.Ordinal),
            Is.EquivalentTo(
                expected
                    .Get("after")!
                    .Value.EnumerateObject()
                    .ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!, StringComparer.Ordinal)
            )
        );
    }

    private static void AssertEvent(object?[] seen, JsonElement expected)
    {
        for (var i = 1; i < expected.GetArrayLength(); i++)
        {
            var value = expected[i];
            switch (value.ValueKind)
            {
                case JsonValueKind.Null:
                    Assert.That(seen[i], Is.Null, expected.ToString());
                    break;
                case JsonValueKind.Array when value[0].ValueKind == JsonValueKind.String:
                    Assert.That(
                        seen[i],
                        Is.EqualTo(value.EnumerateArray().Select(item => item.GetString())),
                        expected.ToString()
                    );
                    break;
                case JsonValueKind.Array: // clipping by norm is rounded once more or less in another libtorch: an ulp
                    Assert.That(seen[i], Is.EqualTo(value.Numbers()).Within(1e-6), expected.ToString());
                    break;
                case JsonValueKind.Number:
                    Assert.That(
                        Convert.ToDouble(seen[i], System.Globalization.CultureInfo.InvariantCulture),
                        Is.EqualTo(value.Number()),
                        expected.ToString()
                    );
                    break;
                default:
                    Assert.That(seen[i], Is.EqualTo(value.GetString()), expected.ToString());
                    break;
            }
        }
    }

    private static void AssertScaler(Trainer trainer, JsonElement? expected)
    {
        var state = trainer.Precision.StateDict();
        if (expected is { } scaler)
        {
            GradScalerTests.AssertState(state, scaler);
        }
        else
        {
            Assert.That(state, Is.Empty);
        }
    }

    private static List<Tensor> Batches(int count) =>
        [.. Enumerable.Range(1, count).Select(value => full([1, 2], (float)value))];

    private static Trainer MakeTrainer(
        string mode,
        double scale,
        double? clip = null,
        GradientClipAlgorithm? algorithm = null,
        int accumulate = 1,
        int maxEpochs = 1,
        int growthInterval = 2
    ) =>
        new(
            precision: mode == "16-mixed" ? default : (PrecisionInput)mode,
            plugin: mode == "16-mixed"
                ? new MixedPrecision(
                    mode,
                    DeviceType.CPU,
                    new GradScaler(DeviceType.CPU, scale, growthInterval: growthInterval)
                )
                : null,
            accelerator: "cpu",
            maxEpochs: maxEpochs,
            gradientClipVal: clip,
            gradientClipAlgorithm: algorithm,
            accumulateGradBatches: accumulate,
            enableProgressBar: false,
            handleInterrupt: false
        );

    private string WriteCheckpoint(string mode)
    {
        var path = Path.Combine(_folder, $"{mode}.safetensors");
        using var scope = NewDisposeScope();
        using var module = new SavingModule(path);
        using var trainer = MakeTrainer(mode, scale: 8);
        trainer.Fit(module, Batches(3));
        return path;
    }

    // What the first versions of Lightning called the scaler's state.
    private static void RenameScaler(string path, double scale)
    {
        List<(string, Tensor)> tensors;
        Dictionary<string, string> metadata;
        using (var reader = SafetensorsReader.Open(path))
        {
            tensors = [.. reader.Header.Entries.Select(entry => (entry.Name, reader.Read(entry.Name)))];
            metadata = reader.Header.Metadata.ToDictionary(StringComparer.Ordinal);
        }

        var state = System.Text.Json.Nodes.JsonNode.Parse(metadata["nbit.training"])!.AsObject();
        state.Remove("MixedPrecision", out var scaler);
        scaler!["scale"] = scale;
        state["native_amp_scaling_state"] = scaler;
        metadata["nbit.training"] = state.ToJsonString();
        SafetensorsWriter.Save(path, tensors, metadata);
        tensors.ForEach(tensor => tensor.Item2.Dispose());
    }

    /// <summary>As the recorded module, but writes a checkpoint when the fit is over, as the recording did.</summary>
    private sealed class SavingModule(string path) : TrainingModule<Tensor>(nameof(SavingModule))
    {
        private readonly HookedModule _inner = new();

        public override Tensor? TrainingStep(Tensor batch, int batchIndex) => _inner.TrainingStep(batch, batchIndex);

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => _inner.ConfigureOptimizers();

        public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true) =>
            _inner.named_parameters(recurse);

        public override Dictionary<string, Tensor> state_dict(
            Dictionary<string, Tensor>? destination = null,
            string? prefix = null
        ) => _inner.state_dict(destination, prefix);

        public override void OnFitEnd() => Trainer.SaveCheckpoint(path);
    }

    private sealed class ProbeModule : TrainingModule<Tensor>
    {
#pragma warning disable IDE1006 // the name of a layer is that of its field
        private readonly Linear before;
        private Linear? l;
#pragma warning restore IDE1006

        public ProbeModule()
            : base(nameof(ProbeModule))
        {
            before = nn.Linear(2, 2);
            register_module(nameof(before), before);
            register_buffer("cbuf", ones(1, ScalarType.ComplexFloat32));
            register_buffer("ibuf", ones(1, ScalarType.Int32));
            register_buffer("fbuf", ones(1));
            RegisterComponents();
        }

        public Dictionary<string, Dictionary<string, string?>> Seen { get; } = new(StringComparer.Ordinal);

        public override void ConfigureModel()
        {
            l = nn.Linear(2, 2);
            register_module(nameof(l), l);
            Seen["configure_model"] = new(StringComparer.Ordinal) { ["weight"] = l.weight.dtype.Name() };
        }

        public override void OnTestStart() => Seen["on_test_start"] = State();

        public override void TestStep(Tensor batch, int batchIndex)
        {
            var state = State();
            state["batch"] = batch.dtype.Name();
            state["autocast_cache"] = $"{Autocast.State(DeviceType.CPU).CacheEnabled}";
            Seen["test_step"] = state;
        }

        public override Tensor? TrainingStep(Tensor batch, int batchIndex) => null;

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => [];

        private static Dictionary<string, string?> State() =>
            new(StringComparer.Ordinal)
            {
                ["default_dtype"] = get_default_dtype().Name(),
                ["autocast"] = $"{Autocast.Current(DeviceType.CPU) is not null}",
            };
    }
}
