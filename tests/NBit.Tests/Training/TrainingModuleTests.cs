using NBit.Precision;
using NBit.Tests.Checkpoints;
using NBit.Training;
using NBit.Training.Callbacks;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>What a module may configure and call, and what is refused.</summary>
public sealed class TrainingModuleTests : DisposeScopeFixture
{
    [Test]
    public void Automatic_optimization_takes_one_optimizer([Values(0, 2)] int count)
    {
        using var module = Regression.Make();
        module.Configure = parameters =>
            [.. Enumerable.Range(0, count).Select(_ => new OptimizerConfiguration(optim.SGD(parameters, 0.1)))];
        using var trainer = Regression.Train();
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1)),
            Throws.InvalidOperationException.With.Message.EqualTo(
                $"Regression.ConfigureOptimizers gave {count} optimizers; automatic optimization has one. Give one, or "
                    + "override AutomaticOptimization to return false and step them in TrainingStep."
            )
        );
    }

    [Test]
    public void An_optimizer_that_would_divide_by_zero_is_refused_before_the_first_step()
    {
        using var module = Regression.Make();
        module.Configure = parameters => [optim.AdamW(parameters, 0.1)];
        using var trainer = Regression.Train(plugin: new HalfPrecision());
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1)),
            Throws
                .InstanceOf<NotSupportedException>()
                .With.Message.StartsWith("AdamW has eps 1E-08, which is 0 in float16")
        );
        Assert.That(module.Losses, Is.Empty);
    }

    [Test]
    public void Manual_optimization_clips_by_itself()
    {
        using var module = new Manual();
        using var trainer = new Trainer(accelerator: "cpu", gradientClipVal: 0.5, enableProgressBar: false);
        Assert.That(
            () => trainer.Fit(module, [ones(1)]),
            Throws.InvalidOperationException.With.Message.EqualTo(
                "Automatic gradient clipping is not supported for manual optimization. Remove "
                    + "`Trainer(gradient_clip_val=0.5)` or switch to automatic optimization."
            )
        );
    }

    [TestCase(null, null, 3.0, 4.0)]
    [TestCase(0.0, null, 3.0, 4.0)]
    [TestCase(-1.0, GradientClipAlgorithm.Value, 3.0, 4.0)]
    [TestCase(2.0, GradientClipAlgorithm.Value, 2.0, 2.0)]
    [TestCase(2.5, GradientClipAlgorithm.Norm, 1.5, 2.0)]
    [TestCase(2.5, null, 1.5, 2.0)]
    [TestCase(100.0, null, 3.0, 4.0)]
    public void Gradients_are_clipped_by_the_limit(
        double? limit,
        GradientClipAlgorithm? algorithm,
        double first,
        double second
    )
    {
        using var module = new Manual();
        using var parameter = new Parameter(zeros(2));
        parameter.grad = tensor(new[] { 3f, 4f });
        using var optimizer = optim.SGD([parameter], 0.1);
        module.ClipGradients(optimizer, limit, algorithm);
        Assert.That(parameter.grad.data<float>().ToArray(), Is.EqualTo(new[] { first, second }).Within(1e-6));
    }

    [Test]
    public void Clearing_gradients_sets_them_to_null()
    {
        using var module = new Manual();
        using var parameter = new Parameter(zeros(2));
        parameter.grad = ones(2);
        using var optimizer = optim.SGD([parameter], 0.1);
        module.OptimizerZeroGrad(optimizer);
        Assert.That(parameter.grad, Is.Null);
    }

    [Test]
    public void Null_arguments_are_refused_by_name()
    {
        using var module = new Manual();
        Assert.That(() => module.ClipGradients(null!, 1), Refusal.OfNull("optimizer"));
        Assert.That(() => module.OptimizerZeroGrad(null!), Refusal.OfNull("optimizer"));
        Assert.That(() => module.LrSchedulerStep(null!, null), Refusal.OfNull("scheduler"));
        Assert.That(() => module.LogNothing(), Refusal.OfNull("value"));
    }

    [Test]
    public void Logging_outside_of_a_trainer_is_refused()
    {
        using var module = Regression.Make();
        Assert.That(
            () => module.Log("m", 1),
            Throws.InvalidOperationException.With.Message.EqualTo(
                "Regression is not attached to a Trainer: its Trainer can be used inside hooks and steps only"
            )
        );
    }

    [Test]
    public void A_checkpoint_that_cannot_be_written_is_an_input_output_error()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("file"), "");
        using var module = Regression.Make();
        using var trainer = Regression.Train();
        List<Exception> errors = [];
        module.OnHook = hook =>
        {
            if (hook == "batch 0")
            {
                errors.Add(
                    Assert.Catch<IOException>(() => trainer.SaveCheckpoint(directory.File("file/inside.safetensors")))!
                );
            }
        };
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(errors, Has.Count.EqualTo(1));
    }

    [Test]
    public void A_checkpoint_of_a_hook_after_a_batch_continues_with_the_next_one()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("x.safetensors");
        using var module = Regression.Make();
        using var trainer = Regression.Train();
        module.OnHook = hook =>
        {
            if (hook == "batch 1")
            {
                trainer.SaveCheckpoint(path);
            }
        };
        trainer.Fit(module, Regression.Batches(4));
        using var other = Regression.Make(seed: 99);
        trainer.Fit(other, Regression.Batches(4), resumeFrom: path);
        Assert.That(other.Losses, Is.EqualTo(module.Losses.Skip(2)));
        Assert.That(other.Weights(), Is.EqualTo(module.Weights()));
    }

    [Test]
    public void The_trainer_tells_where_it_is()
    {
        List<(Stage, int, int, long, int?)> seen = [];
        using var module = Regression.Make();
        using var trainer = Regression.Train(maxEpochs: 2);
        module.OnHook = hook =>
        {
            if (hook is "batch 1" or "validation")
            {
                seen.Add(
                    (
                        trainer.Stage,
                        module.CurrentEpoch,
                        trainer.CurrentBatch,
                        module.GlobalStep,
                        trainer.BatchesPerEpoch
                    )
                );
            }
        };
        module.OnStep = (inner, loss, _) =>
        {
            Assert.That(inner.Trainer.ConfiguredOptimizers.Single(), Is.InstanceOf<SGD>());
            Assert.That(inner.Trainer.Module, Is.SameAs(inner));
            return loss;
        };
        trainer.Fit(module, Regression.Batches(2), Regression.Batches(1));
        Assert.That(
            seen,
            Is.EqualTo(
                new[]
                {
                    (Stage.Training, 0, 2, 2L, (int?)2),
                    (Stage.Validation, 0, 2, 2L, 2),
                    (Stage.Training, 1, 2, 4L, 2),
                    (Stage.Validation, 1, 2, 4L, 2),
                }
            )
        );
        Assert.That(
            (trainer.Stage, trainer.CurrentEpoch, trainer.ConfiguredOptimizers.Count),
            Is.EqualTo((Stage.None, 2, 0))
        );
    }

    [Test]
    public void Callbacks_that_were_given_are_the_only_ones_of_their_kind()
    {
        Callback[] given = [new ModelCheckpoint(), new CsvMetrics(), new ProgressBar(), new EarlyStopping("m")];
        using var trainer = new Trainer(accelerator: "cpu", defaultRootDir: "unused", callbacks: given);
        Assert.That(
            trainer.Callbacks,
            Is.EqualTo(new[] { given[1], given[2], given[3], given[0] }),
            "checkpoints come last"
        );
        using var usual = new Trainer(accelerator: "cpu", defaultRootDir: "unused");
        Assert.That(
            usual.Callbacks.Select(callback => callback.GetType().Name),
            Is.EqualTo(new[] { "CsvMetrics", "ProgressBar", "ModelCheckpoint" })
        );
        using var bare = new Trainer(accelerator: "cpu", enableProgressBar: false);
        Assert.That(bare.Callbacks, Is.Empty);
    }

    [Test]
    public void A_progress_bar_writes_a_line_an_epoch_where_there_is_no_terminal()
    {
        if (!Console.IsErrorRedirected)
        {
            Assert.Ignore("standard error is a terminal");
        }

        var before = Console.Error;
        using var output = new StringWriter();
        Console.SetError(output);
        try
        {
            using var module = Regression.Make();
            module.OnStep = (inner, loss, _) =>
            {
                inner.Log("shown", 0.25, progressBar: true);
                inner.Log("hidden", 1);
                return loss;
            };
            using var trainer = new Trainer(accelerator: "cpu", maxEpochs: 2, handleInterrupt: false);
            trainer.Fit(module, Regression.Batches(3));
        }
        finally
        {
            Console.SetError(before);
        }

        var lines = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(lines, Has.Length.EqualTo(2));
        Assert.That(lines[0].TrimEnd(), Does.Match(@"^epoch 1  step 3  [\d.]+ batches/s  shown 0.25$"));
        Assert.That(lines[1].TrimEnd(), Does.Match(@"^epoch 2  step 6  [\d.]+ batches/s  shown 0.25$"));
    }

    private sealed class Manual() : TrainingModule<Tensor>(nameof(Manual))
    {
        public override bool AutomaticOptimization => false;

        public void LogNothing() => Log("m", null!);

        public override Tensor? TrainingStep(Tensor batch, int batchIndex) => null;

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => [];
    }
}
