using System.Text.Json;
using NBit.Amp;
using NBit.Checkpoints;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using NBit.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>
/// precision/training.json: runs of two small models in six modes, through the Trainer, through Fabric and (16-mixed)
/// by hand. Losses, dtypes, scales and final weights are compared, within the tolerances of the folder's README.
/// </summary>
public sealed class TrainingTests
{
    private const string File = "precision/training.json";
    private static readonly JsonElement Recorded = GoldenFolder.Json(File);

    /// <summary>
    /// From the README: loss of the first step, of all steps; weights after SGD; after AdamW (negative: relative, of
    /// norms).
    /// </summary>
    private static readonly Dictionary<string, (double First, double All, double Sgd, double AdamW)> Tolerances = new(
        StringComparer.Ordinal
    )
    {
        ["32-true"] = (2e-6, 5e-6, 2e-6, 2e-5),
        ["64-true trainer"] = (1e-13, 1e-12, 1e-12, 1e-9),
        ["64-true fabric"] = (2e-6, 5e-6, 1e-6, 1e-5),
        ["bf16-mixed"] = (3e-3, 1.5e-2, 2e-2, -0.01),
        ["bf16-true"] = (2 * Bfloat16Unit, 4 * Bfloat16Unit, 5e-2, -0.02),
        ["16-mixed"] = (5e-4, 2e-3, 5e-3, -0.005),
        ["16-true"] = (2 * Float16Unit, 4 * Float16Unit, 1e-2, -0.03),
    };

    private const double Bfloat16Unit = 1.0 / 64; // of a loss near 2
    private const double Float16Unit = 1.0 / 512;

    private static IEnumerable<TestCaseData> Runs() =>
        from run in Recorded.Properties("runs")
        from mode in run.Value.Properties("modes")
        from how in mode.Value.EnumerateObject()
        where System.IO.File.Exists(GoldenFolder.PathOf(DataFile(run.Value)))
        select new TestCaseData(run.Name, run.Value, mode.Name, how.Name, how.Value).SetName(
            $"training {run.Name} {mode.Name} {how.Name}"
        );

    [TestCaseSource(nameof(Runs))]
    public void A_run_is_reproduced(string name, JsonElement run, string mode, string how, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        using var model = LoadModel(run, out var inputs, out var targets);
        List<Step> steps;
        IReadOnlyDictionary<string, double> scaler;
        var rule = GoldenRules.ForJson(File, $"runs/{name}/modes/{mode}/{how}");
        try
        {
            (steps, scaler) = how switch
            {
                "trainer" => RunTrainer(run, mode, model, inputs, targets),
                "fabric" => RunFabric(run, mode, model, inputs, targets),
                "torch" => RunByHand(run, model, inputs, targets),
                _ => throw new ArgumentException($"{File} has runs of '{how}' that this test does not know"),
            };
        }
        catch (NotSupportedException error) when (rule?.Kind == "refused")
        {
            Assert.That(error.Message, Does.Contain("0 in float16").And.Contains("Use an eps"));
            return;
        }

        Assert.That(rule?.Kind, Is.Not.EqualTo("refused"), "NBit must refuse this run");
        var (first, all, _, _) = Tolerance(mode, how);
        var losses = expected.Get("losses")!.Value.Numbers();
        Assert.That(steps, Has.Count.EqualTo(losses.Length));
        Assert.That(steps[0].Loss, Is.EqualTo(losses[0]).Within(first), "loss of the first step");
        Assert.That(steps.Select(step => step.Loss), Is.EqualTo(losses).Within(all), "losses");
        Assert.That(steps[0].LossType.Name(), Is.EqualTo(expected.Text("loss_dtype")));
        Assert.That(steps[0].LogitsType.Name(), Is.EqualTo(expected.Text("logits_dtype")));
        if (expected.Text("input_dtype") is { } inputType)
        {
            Assert.That(steps[0].InputType.Name(), Is.EqualTo(inputType));
        }

        if (expected.Get("scale") is { } scales)
        {
            Assert.That(steps.Select(step => step.Scale!.Value), Is.EqualTo(scales.Numbers()), "scales match exactly");
            GradScalerTests.AssertState(scaler, expected.Get("scaler_state_after")!.Value);
        }

        Assert.That(
            model.parameters().Select(parameter => parameter.dtype.Name()),
            Is.All.EqualTo(expected.Text("weights_dtype"))
        );
        CompareNorms(run, mode, how, model, expected);
        if (how == "trainer")
        {
            CompareWeights(name, run, mode, model);
        }
    }

    private static string DataFile(JsonElement run) => $"precision/training_{run.Text("model")}_data.safetensors";

    private static (double First, double All, double Sgd, double AdamW) Tolerance(string mode, string how) =>
        Tolerances.TryGetValue($"{mode} {how}", out var special) ? special : Tolerances[mode];

    internal static nn.Module<Tensor, Tensor> LoadModel(JsonElement run, out Tensor inputs, out Tensor targets)
    {
        var kind = run.Text("model")!;
        var sizes = Recorded.Get("models")!.Value.Get(kind)!.Value;
        nn.Module<Tensor, Tensor> model = kind == "mlp" ? new RecordedMlp(sizes) : new RecordedEncoder(sizes);
        using var reader = SafetensorsReader.Open(GoldenFolder.PathOf(DataFile(run)));
        using var grad = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            reader.ReadInto($"init.{name}", parameter);
        }

        (inputs, targets) = (reader.Read("x"), reader.Read("y"));
        return model;
    }

    private static optim.Optimizer MakeOptimizer(JsonElement run, nn.Module model)
    {
        var arguments = run.Get("optimizer_args")!.Value;
        double Argument(string name) => arguments.Number(name)!.Value;
        return run.Text("optimizer") == "sgd"
            ? optim.SGD(model.parameters(), Argument("lr"), Argument("momentum"))
            : optim.AdamW(
                model.parameters(),
                Argument("lr"),
                arguments.Get("betas")!.Value[0].GetDouble(),
                arguments.Get("betas")!.Value[1].GetDouble(),
                Argument("eps"),
                Argument("weight_decay")
            );
    }

    private static (List<Step> Steps, IReadOnlyDictionary<string, double> Scaler) RunTrainer(
        JsonElement run,
        string mode,
        nn.Module<Tensor, Tensor> model,
        Tensor inputs,
        Tensor targets
    )
    {
        using var plugin = MakeScaling(mode);
        using var trainer = new Trainer(
            plugin is null ? mode : default(PrecisionInput),
            plugin,
            accelerator: "cpu",
            maxEpochs: 1,
            maxSteps: (long)Recorded.Number("steps")!,
            gradientClipVal: run.Number("clip_value"),
            gradientClipAlgorithm: run.Text("clip") switch
            {
                "norm" => GradientClipAlgorithm.Norm,
                "value" => GradientClipAlgorithm.Value,
                _ => null,
            },
            enableProgressBar: false,
            handleInterrupt: false
        );
        using var module = new RecordedModule(run, model);
        trainer.Fit(module, Enumerable.Range(0, (int)inputs.shape[0]).Select(i => (inputs[i], targets[i])).ToList());
        return (module.Steps, trainer.Precision.StateDict());
    }

    private static (List<Step> Steps, IReadOnlyDictionary<string, double> Scaler) RunFabric(
        JsonElement run,
        string mode,
        nn.Module<Tensor, Tensor> model,
        Tensor inputs,
        Tensor targets
    )
    {
        using var plugin = MakeScaling(mode);
        using var fabric = new Fabric(plugin is null ? mode : default(PrecisionInput), plugin, accelerator: "cpu");
        using var inner = MakeOptimizer(run, model);
        var (net, optimizer) = fabric.Setup(model, inner);
        var steps = new List<Step>();
        for (var i = 0; i < (int)inputs.shape[0]; i++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var logits = net.forward(inputs[i]);
            var loss = nn.functional.cross_entropy(logits, targets[i]);
            fabric.Backward(loss);
            steps.Add(Step.Of(loss, logits, inputs, plugin?.Scaler));
            switch (run.Text("clip"))
            {
                case "norm":
                    fabric.ClipGradients(optimizer, maxNorm: run.Number("clip_value"), errorIfNonfinite: false);
                    break;
                case "value":
                    fabric.ClipGradients(optimizer, clipValue: run.Number("clip_value"));
                    break;
            }

            optimizer.step();
        }

        return (steps, fabric.Precision.StateDict());
    }

    // float16 autocast and a GradScaler without either: scale, backward, unscale, clip, step, update
    private static (List<Step> Steps, IReadOnlyDictionary<string, double> Scaler) RunByHand(
        JsonElement run,
        nn.Module<Tensor, Tensor> model,
        Tensor inputs,
        Tensor targets
    )
    {
        using var optimizer = MakeOptimizer(run, model);
        using var scaler = MakeScaler();
        var steps = new List<Step>();
        for (var i = 0; i < (int)inputs.shape[0]; i++)
        {
            using var scope = NewDisposeScope();
            Tensor logits,
                loss;
            using (new Autocast(DeviceType.CPU, ScalarType.Float16, cacheEnabled: false))
            {
                logits = model.forward(inputs[i]);
                loss = nn.functional.cross_entropy(logits, targets[i]);
            }

            optimizer.zero_grad();
            scaler.Scale(loss).backward();
            scaler.Unscale(optimizer);
            steps.Add(Step.Of(loss, logits, inputs, scaler));
            switch (run.Text("clip"))
            {
                case "norm":
                    nn.utils.clip_grad_norm_(model.parameters(), run.Number("clip_value")!.Value);
                    break;
                case "value":
                    nn.utils.clip_grad_value_(model.parameters(), run.Number("clip_value")!.Value);
                    break;
            }

            scaler.Step(optimizer);
            scaler.Update();
        }

        return (steps, scaler.StateDict());
    }

    private static GradScaler MakeScaler()
    {
        var settings = Recorded.Get("scaler_settings_16_mixed")!.Value;
        return new GradScaler(
            DeviceType.CPU,
            settings.Number("init_scale")!.Value,
            growthInterval: (int)settings.Number("growth_interval")!
        );
    }

    // As a string, 16-mixed on the CPU would be bf16-mixed.
    private static MixedPrecision? MakeScaling(string mode) =>
        mode == "16-mixed" ? new MixedPrecision(mode, DeviceType.CPU, MakeScaler()) : null;

    private static void CompareNorms(JsonElement run, string mode, string how, nn.Module model, JsonElement expected)
    {
        var tolerance = Tolerance(mode, how).AdamW;
        if (run.Text("optimizer") != "adamw" || tolerance >= 0)
        {
            return;
        }

        foreach (var (name, parameter) in model.named_parameters().Where(pair => !IsKeyBias(pair.name)))
        {
            var norm = expected.Get("final_weight_norms")!.Value.Number(name)!.Value;
            Assert.That(
                parameter.to(ScalarType.Float64).norm().item<double>(),
                Is.EqualTo(norm).Within(-tolerance * norm),
                $"norm of {name}"
            );
        }
    }

    private static void CompareWeights(string runName, JsonElement run, string mode, nn.Module model)
    {
        var file = $"precision/training_{runName}_final.safetensors";
        var tolerance =
            run.Text("optimizer") == "sgd" ? Tolerance(mode, "trainer").Sgd : Tolerance(mode, "trainer").AdamW;
        if (tolerance < 0 || !System.IO.File.Exists(GoldenFolder.PathOf(file)))
        {
            return;
        }

        using var reader = SafetensorsReader.Open(GoldenFolder.PathOf(file));
        foreach (var (name, parameter) in model.named_parameters().Where(pair => !IsKeyBias(pair.name)))
        {
            if (reader.Header.TryGetEntry($"{mode}.{name}", out _)) // 64-true is recorded for two runs
            {
                var difference = (
                    parameter.to(ScalarType.Float64) - reader.Read($"{mode}.{name}").to(ScalarType.Float64)
                )
                    .abs()
                    .max()
                    .item<double>();
                Assert.That(difference, Is.LessThanOrEqualTo(tolerance), $"weight {name}");
            }
        }
    }

    // Its gradient is zero in exact arithmetic; AdamW makes steps of the rounding noise.
    private static bool IsKeyBias(string name) => name.EndsWith(".k.bias", StringComparison.Ordinal);

    private sealed record Step(
        double Loss,
        ScalarType LossType,
        ScalarType LogitsType,
        ScalarType InputType,
        double? Scale
    )
    {
        public static Step Of(Tensor loss, Tensor logits, Tensor input, GradScaler? scaler) =>
            new(
                loss.detach().to(ScalarType.Float64).item<double>(),
                loss.dtype,
                logits.dtype,
                input.dtype,
                scaler?.CurrentScale
            );
    }

    private sealed class RecordedModule : TrainingModule<(Tensor X, Tensor Y)>
    {
        private readonly JsonElement _run;
        private readonly nn.Module<Tensor, Tensor> _net;

        public RecordedModule(JsonElement run, nn.Module<Tensor, Tensor> net)
            : base(nameof(RecordedModule))
        {
            (_run, _net) = (run, net);
            RegisterComponents();
        }

        public List<Step> Steps { get; } = [];

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex)
        {
            var logits = _net.forward(batch.X);
            var loss = nn.functional.cross_entropy(logits, batch.Y);
            Steps.Add(Step.Of(loss, logits, batch.X, (Trainer.Precision as MixedPrecision)?.Scaler));
            return loss;
        }

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => [MakeOptimizer(_run, _net)];
    }
}
