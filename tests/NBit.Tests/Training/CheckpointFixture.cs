using System.Text.Json.Nodes;
using NBit.Amp;
using NBit.Checkpoints;
using NBit.Precision;
using NBit.Tests.Checkpoints;
using NBit.Training;
using NBit.Training.Callbacks;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace NBit.Tests.Training;

/// <summary>A fixture with a checkpoint of a fit that can be rewritten before another fit resumes from it.</summary>
public abstract class CheckpointFixture
{
    private protected TemporaryDirectory Folder { get; private set; } = null!;

    protected string Checkpoint => Folder.File("checkpoint.safetensors");

    [SetUp]
    public void WriteCheckpoint()
    {
        Folder = new TemporaryDirectory();
        using var module = Make();
        using var trainer = MakeTrainer();
        module.OnHook = hook =>
        {
            if (hook == "epoch 0 ends")
            {
                trainer.SaveCheckpoint(Checkpoint);
            }
        };
        Fit(trainer, module);
    }

    [TearDown]
    public void RemoveDirectory() => Folder.Dispose();

    private protected static Regression Make(long seed = 1)
    {
        var module = Regression.Make(seed: seed);
        module.Configure = parameters =>
        {
            var optimizer = AdamW(parameters, 0.1);
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(lr_scheduler.StepLR(optimizer, 2, 0.5), SchedulerInterval.Step)
                ),
            ];
        };
        module.OnValidationLoss = (inner, loss) => inner.Log("val", loss);
        return module;
    }

    private protected static void Fit(Trainer trainer, Regression module, string? resumeFrom = null)
    {
        using var scope = NewDisposeScope();
        trainer.Fit(module, Regression.Batches(2), Regression.Batches(1), resumeFrom);
    }

    private protected Trainer MakeTrainer() =>
        new(
            plugin: new MixedPrecision("16-mixed", DeviceType.CPU, new GradScaler(DeviceType.CPU, 8)),
            accelerator: "cpu",
            maxEpochs: 1,
            defaultRootDir: Folder.File("run"),
            enableProgressBar: false,
            handleInterrupt: false,
            callbacks: [new EarlyStopping("val")]
        );

    private protected void AssertRefused<TException>(params string[] message)
        where TException : Exception
    {
        using var module = Make(seed: 99);
        AssertRefused<TException>(module, message);
    }

    private protected void AssertRefused<TException>(Regression module, params string[] message)
        where TException : Exception
    {
        using var trainer = MakeTrainer();
        using var random = torch.random.get_rng_state();
        var (weights, scaler, numbers) = (module.Weights(), trainer.Precision.StateDict(), random.bytes.ToArray());
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                var error = Assert.Throws<TException>(() => Fit(trainer, module, Checkpoint))!;
                foreach (var part in message)
                {
                    Assert.That(error.Message, Does.Contain(part));
                }
            }
        );
        using var after = torch.random.get_rng_state();
        Assert.That(module.Weights(), Is.EqualTo(weights));
        Assert.That(trainer.Precision.StateDict(), Is.EqualTo(scaler));
        Assert.That(after.bytes.ToArray(), Is.EqualTo(numbers));
        Assert.That((trainer.GlobalStep, trainer.CurrentEpoch), Is.EqualTo((0L, 0)));
    }

    private protected void Rewrite(
        Action<JsonObject>? state = null,
        Action<Dictionary<string, string>>? metadata = null,
        Action<Dictionary<string, Tensor>>? tensors = null
    )
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> content;
        Dictionary<string, string> texts;
        using (var reader = SafetensorsReader.Open(Checkpoint))
        {
            content = reader.Header.Entries.ToDictionary(
                entry => entry.Name,
                entry => reader.Read(entry.Name),
                StringComparer.Ordinal
            );
            texts = reader.Header.Metadata.ToDictionary(StringComparer.Ordinal);
        }

        if (state is not null)
        {
            var json = JsonNode.Parse(texts["nbit.training"])!.AsObject();
            state(json);
            texts["nbit.training"] = json.ToJsonString();
        }

        metadata?.Invoke(texts);
        tensors?.Invoke(content);
        SafetensorsWriter.Save(Checkpoint, content.Select(entry => (entry.Key, entry.Value)).ToList(), texts);
    }
}
