using NBit.Precision;
using NBit.Quantization;
using NBit.Tests.Checkpoints;
using NBit.Tests.Quantization;
using NBit.Tests.Training;
using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Precision;

/// <summary>Fine-tuning of quantized models, with adapters and without.</summary>
public sealed class BitsandbytesTrainingTests : DisposeScopeFixture
{
    private static IEnumerable<string> Modes() => BitsandbytesPrecision.Modes;

    [Test]
    public void Fabric_trains_adapters_and_weights([ValueSource(nameof(Modes))] string mode, [Values] bool inInitModule)
    {
        using var fabric = new Fabric(plugin: new BitsandbytesPrecision(mode), accelerator: "cpu");
        manual_seed(1);
        TwoLayers model;
        using (inInitModule ? fabric.InitModule() : fabric.InitTensor())
        {
            model = new TwoLayers();
        }

        var trainsAll = mode == "int8-training";
        var module = fabric.Setup(model);
        if (!trainsAll)
        {
            Lora.Attach(model, rank: 4);
        }

        var codes = model.First.weight.detach().clone();
        var trained = trainsAll ? model.parameters().ToList() : Lora.Parameters(model).ToList();
        var optimizer = fabric.Setup(optim.AdamW(trained, 0.01, eps: 1e-4));
        var (x, y) = (TwoLayers.Input(rows: 32), TwoLayers.Input(rows: 32).narrow(1, 0, TwoLayers.Outputs));
        var losses = new List<float>();
        for (var step = 0; step < 40; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var loss = nn.functional.mse_loss(module.forward(x), y);
            fabric.Backward(loss);
            optimizer.step();
            losses.Add(loss.item<float>());
        }

        Assert.That(losses[^1], Is.LessThan(losses[0] / 2), string.Join(" ", losses));
        Assert.That(
            model.First.weight.detach().eq(codes).all().item<bool>(),
            Is.Not.EqualTo(trainsAll),
            "only a weight in floating point changes"
        );
        model.Dispose();
    }

    [Test]
    public void A_resumed_fit_equals_one_that_was_not_interrupted([ValueSource(nameof(Modes))] string mode)
    {
        using var folder = new TemporaryDirectory();
        var checkpoint = folder.File("half.safetensors");
        var whole = Fit(seed: 1, epochs: 3, saveTo: checkpoint);
        var resumed = Fit(seed: 9, epochs: 3, resumeFrom: checkpoint);
        Assert.That(whole.Losses, Has.Count.EqualTo(12));
        Assert.That(resumed.Losses, Is.EqualTo(whole.Losses[4..]));
        Assert.That(resumed.Weights, Is.EqualTo(whole.Weights));
        Assert.That(whole.Losses[^4..].Average(), Is.LessThan(whole.Losses[..4].Average()));

        (List<float> Losses, List<string> Weights) Fit(
            long seed,
            int epochs,
            string? saveTo = null,
            string? resumeFrom = null
        )
        {
            using var module = Regression.Make(dropout: 0.2, seed);
            if (mode != "int8-training")
            {
                Lora.Attach(module, rank: 4, dropout: 0.1);
            }

            module.Configure = parameters => [optim.AdamW(Trained(parameters), 0.02, eps: 1e-4)];
            using var trainer = Regression.Train(folder.Path, new BitsandbytesPrecision(mode), epochs);
            var weights = new List<string>();
            module.OnHook = hook =>
            {
                if (hook == "epoch 0 ends" && saveTo is not null)
                {
                    trainer.SaveCheckpoint(saveTo);
                }

                if (hook == $"epoch {epochs - 1} ends")
                {
                    weights.AddRange(Bits(module));
                }
            };
            trainer.Fit(module, Regression.Batches(4), resumeFrom: resumeFrom);
            return (module.Losses, weights);
        }
    }

    [Test]
    public void A_fit_leaves_nothing_behind([Values("nf4-dq", "int8", "int8-training")] string mode)
    {
        Fit(batches: 3);
        long few = Count(3),
            many = Count(30);
        Assert.That(many, Is.EqualTo(few), "live tensors do not grow with the steps");

        long Count(int batches)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            var before = Tensor.TotalCount;
            Fit(batches);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return Tensor.TotalCount - before;
        }

        void Fit(int batches)
        {
            using var scope = NewDisposeScope();
            using var module = Regression.Make();
            if (mode != "int8-training")
            {
                Lora.Attach(module, rank: 4);
            }

            module.Configure = parameters => [optim.SGD(Trained(parameters), 0.05)];
            using var folder = new TemporaryDirectory();
            using var trainer = Regression.Train(folder.Path, new BitsandbytesPrecision(mode));
            trainer.Fit(module, Regression.Batches(batches));
        }
    }

    private static List<Parameter> Trained(IEnumerable<Parameter> parameters) =>
        [.. parameters.Where(parameter => parameter.requires_grad)];

    private static IEnumerable<string> Bits(nn.Module module) =>
        module
            .state_dict()
            .Select(entry => $"{entry.Key} {Convert.ToHexString(entry.Value.detach().contiguous().bytes)}");
}
