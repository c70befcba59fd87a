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
    public void A_cast_input_is_not_enough()
    {
        // docs/precision-modes: cast input
        var model = new Denoiser().to(ScalarType.BFloat16);
        Tensor Forward() => model.forward(randn(3, 64).to(ScalarType.BFloat16)); // throws: float32 meets bfloat16
        // end
        Assert.That(Forward, Throws.InstanceOf<Exception>().With.Message.Contains("dtype"));
    }

    [Test]
    public void An_epsilon_that_float16_cannot_hold_makes_NaN()
    {
        // docs/precision-modes: epsilon
        var weight = new Parameter(ones(3, ScalarType.Float16)) { grad = zeros(3, ScalarType.Float16) };
        using var optimizer = optim.Adam([weight]);
        optimizer.step();
        var broken = weight.isnan().all().item<bool>(); // true
        // end
        Assert.That(broken, Is.True);
        Assert.That(
            () => new HalfPrecision("16-true").CheckOptimizer(optimizer, clipsGradients: false),
            Throws.InstanceOf<NotSupportedException>().With.Message.Contains("eps 1E-08, which is 0 in float16")
        );
    }

    [Test]
    public void Losses_are_in_float32_and_softmax_is_not()
    {
        var layer = nn.Linear(8, 8);
        using Tensor x = randn(4, 8),
            target = rand(4, 8);
        using var output = new StringWriter();
        var console = Console.Out;
        Console.SetOut(output);
        try
        {
            // docs/precision-modes: softmax
            using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
            {
                using var logits = layer.forward(x); // bfloat16
                using var low = logits.softmax(-1); // bfloat16
                using var exact = logits.to(ScalarType.Float32).softmax(-1); // float32
                using var loss = nn.functional.mse_loss(low, target); // float32
                Console.WriteLine($"{logits.dtype} {low.dtype} {exact.dtype} {loss.dtype}");
            }
            // end
        }
        finally
        {
            Console.SetOut(console);
        }

        Assert.That(output.ToString().Trim(), Is.EqualTo("BFloat16 BFloat16 Float32 Float32"));
    }

    [Test]
    public void A_mode_casts_inputs_and_what_is_made_inside()
    {
        // docs/precision-modes: by a mode
        using var fabric = new Fabric(precision: "bf16-true");
        var model = fabric.Setup(new Denoiser());
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

    internal sealed class Predictor : TrainingModule<(Tensor X, Tensor Y)>
    {
        private readonly Linear _layer = nn.Linear(64, 10);

        public Predictor()
            : base(nameof(Predictor)) => RegisterComponents();

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex) => null;

        public override object? PredictStep((Tensor X, Tensor Y) batch, int batchIndex) => _layer.forward(batch.X);

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => [];
    }

    // docs/precision-modes: noise
    internal sealed class Denoiser : nn.Module<Tensor, Tensor>
    {
        private readonly Linear _layer = nn.Linear(64, 64);

        public Denoiser()
            : base(nameof(Denoiser)) => RegisterComponents();

        public override Tensor forward(Tensor x) => _layer.forward(x + randn(x.shape));
    }
    // end
}
