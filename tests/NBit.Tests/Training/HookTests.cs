using System.Text.Json.Nodes;
using NBit.Tests.Checkpoints;
using NBit.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>The hooks of a module are called in LightningModule's order.</summary>
public sealed class HookTests
{
    private static readonly string[] Fitting =
    [
        "setup Training",
        "configure model",
        "configure optimizers",
        "fit start",
        "train start",
        "epoch start",
        "batch 0 start",
        "training step",
        "before zero grad",
        "before backward",
        "after backward",
        "before step",
        "batch 0 end",
        "validation start",
        "validation epoch start",
        "validation batch 0 start",
        "validation step",
        "validation batch 0 end",
        "validation epoch end",
        "validation end",
        "epoch end",
        "train end",
        "fit end",
        "teardown Training",
    ];

    private Tensor _batch = null!;

    [SetUp]
    public void MakeBatch() => _batch = ones(1, 2);

    [TearDown]
    public void DisposeBatch() => _batch.Dispose();

    [Test]
    public void Fitting_calls_the_hooks_in_order()
    {
        using var module = new HookedModule();
        using var trainer = MakeTrainer();
        trainer.Fit(module, [_batch], [_batch]);
        Assert.That(module.Calls, Is.EqualTo(Fitting));
    }

    [Test]
    public void The_stages_without_gradients_call_their_hooks_in_order(
        [Values(Stage.Validation, Stage.Test, Stage.Prediction)] Stage stage
    )
    {
        using var module = new HookedModule();
        using var trainer = MakeTrainer();
        Run(trainer, module, stage);
        var name = stage.ToString().ToLowerInvariant();
        Assert.That(
            module.Calls,
            Is.EqualTo(
                new[]
                {
                    $"setup {stage}",
                    "configure model",
                    $"{name} start",
                    $"{name} epoch start",
                    $"{name} batch 0 start",
                    $"{name} step",
                    $"{name} batch 0 end",
                    $"{name} batch 1 start",
                    $"{name} step",
                    $"{name} batch 1 end",
                    $"{name} epoch end",
                    $"{name} end",
                    $"teardown {stage}",
                }
            )
        );
    }

    [Test]
    public void A_fit_that_fails_is_torn_down_where_it_was_set_up([ValueSource(nameof(Fitting))] string hook)
    {
        using var module = new HookedModule { FailsIn = hook };
        using var trainer = MakeTrainer();
        Assert.That(
            () => trainer.Fit(module, [_batch], [_batch]),
            Throws.InvalidOperationException.With.Message.EqualTo($"failed in {hook}")
        );
        Assert.That(
            module.Calls,
            Is.EqualTo(
                Fitting.TakeWhile(call => call != hook).Append(hook).Concat(hook == Fitting[^1] ? [] : [Fitting[^1]])
            )
        );
        Assert.That(trainer.Stage, Is.EqualTo(Stage.None));
        Assert.That(() => module.Trainer, Throws.InvalidOperationException, "the module is free for another trainer");
    }

    [Test]
    public void What_a_module_adds_to_a_checkpoint_is_given_back()
    {
        using var directory = new TemporaryDirectory();
        using var module = new HookedModule
        {
            Saved = new JsonObject { ["temperature"] = 0.5, ["names"] = new JsonArray("a", "b") },
        };
        using var trainer = MakeTrainer(folder: directory.Path);
        trainer.Fit(module, [_batch]);

        using var other = new HookedModule();
        using var another = MakeTrainer(maxEpochs: 2, folder: directory.Path);
        another.Fit(other, [_batch], resumeFrom: "last");
        Assert.That(other.Loaded!.ToJsonString(), Is.EqualTo("""{"temperature":0.5,"names":["a","b"]}"""));
    }

    [Test]
    public void A_module_that_refuses_its_state_keeps_its_weights()
    {
        using var directory = new TemporaryDirectory();
        using var module = new HookedModule();
        using var trainer = MakeTrainer(folder: directory.Path);
        trainer.Fit(module, [_batch]);

        using var other = new HookedModule { FailsIn = "load checkpoint" };
        using var another = MakeTrainer(maxEpochs: 2, folder: directory.Path);
        var weight = other.Weight();
        Assert.That(
            () => another.Fit(other, [_batch], resumeFrom: "last"),
            Throws.InvalidOperationException.With.Message.EqualTo("failed in load checkpoint")
        );
        Assert.That(other.Weight(), Is.EqualTo(weight).And.Not.EqualTo(module.Weight()));
    }

    private static Trainer MakeTrainer(int maxEpochs = 1, string? folder = null) =>
        new(
            accelerator: "cpu",
            maxEpochs: maxEpochs,
            defaultRootDir: folder,
            enableProgressBar: false,
            handleInterrupt: false
        );

    private void Run(Trainer trainer, HookedModule module, Stage stage)
    {
        Tensor[] batches = [_batch, _batch];
        switch (stage)
        {
            case Stage.Validation:
                trainer.Validate(module, batches);
                break;
            case Stage.Test:
                trainer.Test(module, batches);
                break;
            default:
                trainer.Predict(module, batches);
                break;
        }
    }
}
