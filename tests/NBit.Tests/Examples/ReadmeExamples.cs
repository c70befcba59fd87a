using NBit.Amp;
using NBit.Checkpoints;
using NBit.Precision;
using NBit.Quantization;
using NBit.Training;
using NBit.Training.Callbacks;
using NBit.TransformerEngine;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.Examples;

/// <summary>
/// The code of README.md, compiled and run here; each part stands between two markers (see ReadmeTests).
/// </summary>
public sealed class ReadmeExamples
{
    private static readonly List<(Tensor X, Tensor Y)> Batches = MakeBatches(),
        ValidationBatches = MakeBatches();
    private string _folder = "";

    [SetUp]
    public void MakeFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nbit-readme-").FullName;
        Environment.CurrentDirectory = _folder;
    }

    [TearDown]
    public void RemoveFolder()
    {
        Environment.CurrentDirectory = AppContext.BaseDirectory;
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void Training_in_any_precision()
    {
        var batches = Batches;
        var validationBatches = ValidationBatches;

        // README: trainer
        var classifier = new Classifier();
        using var trainer = new Trainer(precision: "bf16-mixed", maxEpochs: 5, defaultRootDir: "run");
        trainer.Fit(classifier, batches, validationBatches); // resumeFrom: "last" goes on where it was killed
        var metrics = trainer.Validate(classifier, validationBatches, checkpoint: "run/checkpoints/last.safetensors");
        // end
        Assert.That(metrics["val_loss"], Is.LessThan(2.4));
    }

    [Test]
    public void Single_and_double_precision()
    {
        var batches = Batches;

        // README: 32-true, 64-true
        using var single = new Trainer(precision: "32-true", maxEpochs: 1); // the default
        using var exact = new Trainer(precision: "64-true", maxEpochs: 1);
        var classifier = new Classifier();
        single.Fit(classifier, batches);
        exact.Fit(classifier, batches); // its weights, inputs and arithmetic are float64 from here on
        // end
        Assert.That(classifier.parameters().Select(parameter => parameter.dtype), Is.All.EqualTo(ScalarType.Float64));
    }

    [Test]
    public void Bfloat16_mixed()
    {
        var batches = Batches;

        // README: bf16-mixed
        using var fabric = new Fabric(precision: "bf16-mixed");
        var model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10));
        var (net, optimizer) = fabric.Setup(model, optim.AdamW(model.parameters(), lr: 1e-3));
        foreach (var (x, y) in batches)
        {
            optimizer.zero_grad();
            using var loss = nn.functional.cross_entropy(net.forward(x), y); // forward in bfloat16, the loss in float32
            fabric.Backward(loss);
            optimizer.step();
        }
        // end
        Assert.That(model.parameters().Select(parameter => parameter.dtype), Is.All.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void Float16_mixed()
    {
        var batches = Batches;

        // README: 16-mixed
        // As a string, "16-mixed" means bf16-mixed on a CPU, as in Lightning; as a plugin it is real float16.
        var scaler = new GradScaler(DeviceType.CPU, initScale: 1024);
        using var trainer = new Trainer(
            plugin: new MixedPrecision("16-mixed", DeviceType.CPU, scaler),
            maxEpochs: 1,
            gradientClipVal: 1.0
        );
        trainer.Fit(new Classifier(), batches); // clips unscaled gradients; a step that overflowed is skipped
        Console.WriteLine($"scale {scaler.CurrentScale}");
        // end
        Assert.That(scaler.CurrentScale, Is.EqualTo(1024));
    }

    [Test]
    public void Autocast_and_scaler_by_hand()
    {
        var model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10));
        using var optimizer = optim.SGD(model.parameters(), 0.1);
        var batches = Batches;

        // README: by hand
        using var scaler = new GradScaler(DeviceType.CPU);
        foreach (var (x, y) in batches)
        {
            Tensor loss;
            using (new Autocast(DeviceType.CPU, ScalarType.Float16))
            {
                loss = nn.functional.cross_entropy(model.forward(x), y);
            }

            optimizer.zero_grad();
            scaler.Scale(loss).backward();
            scaler.Unscale(optimizer); // only to look at or clip the gradients
            nn.utils.clip_grad_norm_(model.parameters(), max_norm: 1);
            scaler.Step(optimizer); // skipped where a gradient is infinite or NaN
            scaler.Update();
        }
        // end
        Assert.That(scaler.CurrentScale, Is.GreaterThan(0));
    }

    [Test]
    public void True_half_precision()
    {
        var batches = Batches;

        // README: 16-true, bf16-true
        // Or "16-true", where the optimizer's eps must be one that float16 can hold, such as 1e-3.
        using var trainer = new Trainer(precision: "bf16-true", maxEpochs: 1);
        Classifier classifier;
        using (trainer.InitModule()) // the weights are made in bfloat16; otherwise Fit converts them in place
        {
            classifier = new Classifier();
        }

        trainer.Fit(classifier, batches);
        Console.WriteLine($"{MemorySize.ModuleBytes(classifier)} bytes of weights"); // half of float32's
        // end
        Assert.That(MemorySize.ModuleBytes(classifier), Is.EqualTo(2 * ((64 * 128) + 128 + (128 * 10) + 10)));
    }

    [Test]
    public void Transformer_engine_in_one_string()
    {
        var batches = Batches;

        // README: transformer-engine
        using var trainer = new Trainer(precision: "transformer-engine", maxEpochs: 1, defaultRootDir: "run");
        var classifier = new Classifier();
        trainer.Fit(classifier, batches); // weights in bfloat16, products in E4M3 and E5M2; checkpoints hold the scales
        // end
        Assert.That(classifier.parameters().Select(parameter => parameter.dtype), Is.All.EqualTo(ScalarType.BFloat16));
    }

    [Test]
    public void Transformer_engine_with_a_recipe()
    {
        var batches = Batches;

        // README: recipe
        var recipe = Float8Recipe.FromDictionary(
            new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["fp8_format"] = "HYBRID",
                ["amax_history_len"] = 16,
                ["amax_compute_algo"] = "max",
            }
        );
        using var trainer = new Trainer(
            plugin: new TransformerEnginePrecision(weightsDtype: ScalarType.BFloat16, recipe: recipe),
            maxEpochs: 1
        );
        trainer.Fit(new Classifier(), batches);
        Console.WriteLine(recipe.ToJson());
        // end
        Assert.That(recipe, Is.EqualTo(new DelayedScaling(amaxHistoryLength: 16)));
    }

    [Test]
    public void Transformer_engine_by_hand()
    {
        var batches = Batches;

        // README: Float8.Autocast
        var model = nn.Sequential(new TE.Linear(64, 128), nn.ReLU(), new TE.LayerNorm(128), new TE.Linear(128, 10));
        using var optimizer = optim.AdamW(model.parameters(), lr: 1e-3);
        foreach (var (x, y) in batches)
        {
            optimizer.zero_grad();
            Tensor output;
            using (Float8.Autocast(new DelayedScaling(format: Float8Format.Hybrid, amaxHistoryLength: 16)))
            {
                output = model.forward(x);
            }

            nn.functional.cross_entropy(output, y).backward(); // scales move on where the region and the backward pass end
            optimizer.step();
        }
        // end
        Assert.That(Float8.ScalesOf((nn.Module)model.children().First())!.Forward.Scale[0], Is.GreaterThan(1));
    }

    [Test]
    public void Transformer_engine_with_functions()
    {
        var model = nn.Sequential(new TE.Linear(64, 128));
        var x = Batches[0].X;

        // README: custom recipe
        var custom = new DelayedScaling(
            amaxHistoryLength: 16,
            amaxComputeAlgorithm: AmaxComputeAlgorithm.Custom(history => history.amax([0]) * 1.25), // some room
            scaling: (amax, scale, maximum, recipe) => where(amax.gt(0), maximum / amax, scale)
        );
        using (Float8.Autocast(custom))
        {
            using var output = model.forward(x);
        }
        // end
        Assert.That(Float8.ScalesOf((nn.Module)model.children().First())!.Forward.Scale[0], Is.GreaterThan(1));
    }

    [Test]
    public void Watching_a_run()
    {
        var batches = Batches;
        var validationBatches = ValidationBatches;

        // README: callbacks
        using var trainer = new Trainer(
            precision: "bf16-mixed",
            maxEpochs: 50,
            defaultRootDir: "run",
            accumulateGradBatches: 2,
            callbacks:
            [
                new EarlyStopping("val_loss", patience: 3),
                new ModelCheckpoint(monitor: "val_loss", saveTopK: 2),
            ]
        );
        trainer.Fit(new Classifier(), batches, validationBatches);
        // end
        Assert.That(Directory.EnumerateFiles(Path.Combine(_folder, "run", "checkpoints")).Count(), Is.EqualTo(3));
        Assert.That(File.Exists(Path.Combine(_folder, "run", "metrics.csv")), Is.True);
    }

    [Test]
    public void Quantized_fine_tuning()
    {
        var batches = Batches;

        // README: QLoRA
        var classifier = new Classifier();
        Lora.Attach(classifier, rank: 8, targets: ["_hidden", "_output"]);
        using var trainer = new Trainer(plugin: new BitsandbytesPrecision("nf4-dq"), maxEpochs: 1);
        trainer.Fit(classifier, batches); // weights in 4 bits, frozen; only the adapters are trained
        // end
        Assert.That(classifier.parameters().Select(parameter => parameter.dtype), Does.Contain(ScalarType.Byte));
        Assert.That(
            Lora.Parameters(classifier).Sum(parameter => parameter.numel()),
            Is.EqualTo(8 * (64 + 128 + 128 + 10))
        );
    }

    [Test]
    public void Quantized_models_in_files()
    {
        var batches = Batches;

        // README: a quantized model
        var model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10));
        new BitsandbytesPrecision("nf4-dq", dtype: ScalarType.Float32).ConvertModule(model); // in place
        using var y = model.forward(batches[0].X);
        ModelFile.Save(model, "model.safetensors"); // the tensors and bytes that bitsandbytes writes

        var other = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10));
        ModelFile.Load(other, "model.safetensors"); // quantized from here on, too
        // end
        using var z = other.forward(batches[0].X);
        Assert.That(z.allclose(y), Is.True);
    }

    [Test]
    public void Quantized_tensors()
    {
        using var weight = randn(128, 64);

        // README: functional
        var (packed, state) = Functional.Quantize4Bit(weight, QuantType.NF4, compressStatistics: true);
        using var numbers = Functional.Dequantize4Bit(packed, state);
        // end
        Assert.That((numbers - weight).abs().max().item<float>(), Is.LessThan(0.8));
        packed.Dispose();
        state.Dispose();
    }

    private static List<(Tensor X, Tensor Y)> MakeBatches()
    {
        manual_seed(1);
        return [.. Enumerable.Range(0, 6).Select(_ => (randn(16, 64), randint(0, 10, [16])))];
    }

    // README: module
    private sealed class Classifier : TrainingModule<(Tensor X, Tensor Y)>
    {
        private readonly Linear _hidden = nn.Linear(64, 128),
            _output = nn.Linear(128, 10);

        public Classifier()
            : base(nameof(Classifier)) => RegisterComponents();

        private Tensor Loss((Tensor X, Tensor Y) batch) =>
            nn.functional.cross_entropy(_output.forward(nn.functional.relu(_hidden.forward(batch.X))), batch.Y);

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex) => Loss(batch);

        public override void ValidationStep((Tensor X, Tensor Y) batch, int batchIndex) =>
            Log("val_loss", Loss(batch), progressBar: true);

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() =>
            [optim.AdamW(parameters(), lr: 1e-3)];
    }
    // end
}
