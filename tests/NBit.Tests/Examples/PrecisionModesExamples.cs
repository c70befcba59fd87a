using NBit.Amp;
using NBit.Precision;
using NBit.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Examples;

/// <summary>The code of docs/precision-modes.md.</summary>
public sealed class PrecisionModesExamples : ExampleFixture
{
    [Test]
    public void A_model_that_is_cast_by_hand_fails_at_its_first_input()
    {
        // docs/precision-modes: by hand
        var model = nn.Linear(64, 10).to(ScalarType.BFloat16);
        Tensor Forward() => model.forward(randn(3, 64)); // throws: the input is float32, the weight bfloat16
        // end
        Assert.That(Forward, Throws.InstanceOf<Exception>().With.Message.Contains("dtype"));
    }

    [Test]
    public void A_mode_casts_inputs_and_what_is_made_inside()
    {
        // docs/precision-modes: by a mode
        using var fabric = new Fabric(precision: "bf16-true");
        var model = fabric.Setup(nn.Linear(64, 10));
        using var y = model.forward(randn(3, 64)); // cast to bfloat16 on the way in, to float32 on the way out
        // end
        Assert.That(y.dtype, Is.EqualTo(ScalarType.Float32));
        Assert.That(model.parameters().Select(parameter => parameter.dtype), Is.All.EqualTo(ScalarType.BFloat16));
    }

    [Test]
    public void Operations_that_want_one_dtype_are_taken_out_of_autocast()
    {
        var layer = nn.Linear(8, 8);
        using var x = randn(4, 8);
        using var index = zeros(4, 8, dtype: ScalarType.Int64);

        // docs/precision-modes: scatter
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            using var messages = layer.forward(x); // bfloat16
            using (new Autocast(DeviceType.CPU, ScalarType.BFloat16, enabled: false))
            {
                // scatter takes tensors of one dtype, and sums are to be exact: in float32
                using var sums = zeros(4, 8).scatter_add(0, index, messages.to(ScalarType.Float32));
            }
        }
        // end
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            using var messages = layer.forward(x);
            Assert.That(
                () => zeros(4, 8).scatter_add(0, index, messages),
                Throws.InstanceOf<Exception>().With.Message.Contains("dtype")
            );
        }
    }

    [Test]
    public void Half_precision_for_inference()
    {
        var classifier = new Predictor();
        var batches = Batches;

        // docs/precision-modes: inference
        using var trainer = new Trainer(precision: "bf16-true");
        var predictions = trainer.Predict(classifier, batches); // what PredictStep returns, batch by batch
        // end
        Assert.That(predictions, Has.Count.EqualTo(batches.Count));
        Assert.That(predictions.Cast<Tensor>().Select(tensor => tensor.dtype), Is.All.EqualTo(ScalarType.BFloat16));
    }

    [Test]
    public void A_quantized_mode_predicts_too()
    {
        var classifier = new Predictor();
        var batches = Batches;

        // docs/precision-modes: quantized inference
        using var trainer = new Trainer(plugin: new BitsandbytesPrecision("int8"));
        var predictions = trainer.Predict(classifier, batches);
        // end
        Assert.That(predictions, Has.Count.EqualTo(batches.Count));
        Assert.That(classifier.parameters().Select(parameter => parameter.dtype), Does.Contain(ScalarType.Int8));
    }

    private sealed class Predictor : TrainingModule<(Tensor X, Tensor Y)>
    {
        private readonly Linear _layer = nn.Linear(64, 10);

        public Predictor()
            : base(nameof(Predictor)) => RegisterComponents();

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex) => null;

        public override object? PredictStep((Tensor X, Tensor Y) batch, int batchIndex) => _layer.forward(batch.X);

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => [];
    }
}
