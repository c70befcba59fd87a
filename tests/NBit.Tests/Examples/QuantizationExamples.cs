using NBit.Checkpoints;
using NBit.Precision;
using NBit.Quantization;
using NBit.Training;
using TorchSharp.Modules;
using static NBit.Tests.Examples.ReadmeExamples;
using static TorchSharp.torch;

namespace NBit.Tests.Examples;

/// <summary>The code of docs/quantization.md.</summary>
public sealed class QuantizationExamples : ExampleFixture
{
    [TestCase(false, 4.5)]
    [TestCase(true, 4.127)]
    public void Bits_a_parameter(bool compressed, double expected)
    {
        // docs/quantization: bits
        using var weight = randn(4096, 4096);
        var (packed, state) = Functional.Quantize4Bit(
            weight,
            QuantType.NF4,
            blocksize: 64,
            compressStatistics: compressed
        );
        var bits = 8.0 * (packed.numel() + state.Bytes) / weight.numel(); // 4.5, or 4.127 with double quantization
        // end
        Assert.That(bits, Is.EqualTo(expected).Within(0.0006));
        packed.Dispose();
        state.Dispose();
    }

    [Test]
    public void Layers_of_their_own()
    {
        // docs/quantization: layers
        using var four = new Linear4bit(64, 32, quantType: QuantType.NF4, computeDtype: ScalarType.Float32);
        using var eight = new Linear8bitLt(32, 10, hasFp16Weights: false, threshold: 6);
        using var y = eight.forward(four.forward(randn(3, 64)));
        // end
        Assert.That(y.shape, Is.EqualTo(new long[] { 3, 10 }));
        Assert.That((four.weight.dtype, eight.weight.dtype), Is.EqualTo((ScalarType.Byte, ScalarType.Int8)));
    }

    [Test]
    public void Some_layers_stay_in_floating_point()
    {
        // docs/quantization: ignored
        var model = nn.Sequential(("body", nn.Linear(64, 64)), ("head", nn.Linear(64, 10)));
        new BitsandbytesPrecision("nf4", ignoreModules: ["head"]).ConvertModule(model);
        // end
        Assert.That(((Linear)model[0]).weight!.dtype, Is.EqualTo(ScalarType.Byte));
        Assert.That(((Linear)model[1]).weight!.dtype, Is.Not.EqualTo(ScalarType.Byte));
    }

    [Test]
    public void A_model_that_never_exists_in_full_precision()
    {
        // docs/quantization: InitModule
        using var fabric = new Fabric(plugin: new BitsandbytesPrecision("nf4-dq"));
        nn.Module<Tensor, Tensor> model;
        using (fabric.InitModule()) // weights take no memory yet
        {
            model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10));
        }

        var quantized = fabric.Setup(model); // each is made, quantized and freed in turn
        // end
        using var y = quantized.forward(Batches[0].X);
        Assert.That(y.isfinite().all().item<bool>(), Is.True);
    }

    [Test]
    public void Adapters_are_trained_saved_and_merged()
    {
        var batches = Batches;

        // docs/quantization: adapters
        var classifier = new Classifier();
        Lora.Attach(classifier, rank: 8, alpha: 16, targets: ["_hidden"]);
        using var trainer = new Trainer(precision: "bf16-mixed", maxEpochs: 1);
        trainer.Fit(classifier, batches);
        Lora.Merge(classifier); // over floating-point weights only; keep the adapters of quantized ones
        ModelFile.Save(classifier, "merged.safetensors");
        // end
        Assert.That(Lora.Parameters(classifier), Is.Empty);
        Assert.That(File.Exists("merged.safetensors"), Is.True);
    }

    [Test]
    public void A_trained_model_predicts_in_4_bits()
    {
        var batches = Batches;

        // docs/quantization: predict
        using (var training = new Trainer(maxEpochs: 2, defaultRootDir: "run"))
        {
            training.Fit(new Scorer(), batches);
        }

        using var trainer = new Trainer(plugin: new BitsandbytesPrecision("nf4-dq", dtype: ScalarType.Float32));
        var scorer = new Scorer();
        var predictions = trainer.Predict(scorer, batches, checkpoint: "run/checkpoints/last.safetensors");
        foreach (var scores in predictions.Cast<Tensor>())
        {
            Console.WriteLine(string.Join(' ', scores.argmax(-1).data<long>()));
        }
        // end
        Assert.That(scorer.parameters().Select(parameter => parameter.dtype), Does.Contain(ScalarType.Byte));
        using var exact = new Trainer();
        var expected = exact
            .Predict(new Scorer(), batches, checkpoint: "run/checkpoints/last.safetensors")
            .Cast<Tensor>();
        var given = trainer.Predict(scorer, batches).Cast<Tensor>().ToList();
        Assert.That(given, Has.Count.EqualTo(batches.Count));
        foreach (var (scores, exactScores) in given.Zip(expected))
        {
            var error = ((scores - exactScores).norm() / exactScores.norm()).item<float>();
            Assert.That(error, Is.GreaterThan(0).And.LessThan(0.2)); // two layers of nf4, about 0.1 each
        }
    }

    // docs/quantization: scorer
    internal sealed class Scorer : TrainingModule<(Tensor X, Tensor Y)>
    {
        private readonly Linear _hidden = nn.Linear(64, 128),
            _output = nn.Linear(128, 10);

        public Scorer()
            : base(nameof(Scorer)) => RegisterComponents();

        private Tensor Score(Tensor x) => _output.forward(nn.functional.relu(_hidden.forward(x)));

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex) =>
            nn.functional.cross_entropy(Score(batch.X), batch.Y);

        public override object? PredictStep((Tensor X, Tensor Y) batch, int batchIndex) => Score(batch.X);

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() =>
            [optim.AdamW(parameters(), lr: 1e-3)];
    }
    // end
}
