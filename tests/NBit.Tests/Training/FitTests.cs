using NBit.Testing;
using NBit.Training;
using TorchSharp;
using TorchSharp.Modules;

namespace NBit.Tests.Training;

/// <summary>How long and when the trainer does what.</summary>
public sealed class FitTests : DisposeScopeFixture
{
    private readonly List<string> _events = [];

    [SetUp]
    public void ForgetEvents() => _events.Clear();

    [TestCase(3, null, 3, 12)]
    [TestCase(null, 6L, 2, 6, Description = "in the middle of the second epoch")]
    [TestCase(null, 8L, 2, 8, Description = "at the end of the second epoch")]
    [TestCase(2, 6L, 2, 6)]
    [TestCase(2, 100L, 2, 8)]
    [TestCase(0, null, 0, 0)]
    [TestCase(null, 0L, 0, 0)]
    public void Training_ends_at_the_first_limit(int? maxEpochs, long? maxSteps, int epochs, int steps)
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train(maxEpochs: maxEpochs, maxSteps: maxSteps);
        trainer.Fit(module, Regression.Batches(4));
        Assert.That(
            (trainer.CurrentEpoch, trainer.GlobalStep, module.Losses.Count),
            Is.EqualTo((epochs, (long)steps, steps))
        );
    }

    [Test]
    public void Without_a_limit_there_are_1000_epochs()
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train(maxEpochs: null);
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(trainer.CurrentEpoch, Is.EqualTo(1000));
    }

    [Test]
    public void A_limit_of_batches_holds_for_each_epoch([Values(1, 2, 3, 4, 9)] int limit)
    {
        using var module = Regression.Make();
        using var trainer = new Trainer(
            accelerator: "cpu",
            maxEpochs: 2,
            limitTrainBatches: limit,
            enableProgressBar: false
        );
        trainer.Fit(module, Regression.Batches(4));
        Assert.That(module.Losses, Has.Count.EqualTo(2 * Math.Min(limit, 4)));
    }

    [TestCase(null, 5L, Description = "no number of epochs ends this one")]
    [TestCase(3, null)]
    public void No_training_batches_are_no_training(int? maxEpochs, long? maxSteps)
    {
        using var module = Make();
        using var trainer = new Trainer(
            accelerator: "cpu",
            maxEpochs: maxEpochs,
            maxSteps: maxSteps,
            limitTrainBatches: 0,
            enableProgressBar: false
        );
        trainer.Fit(module, Regression.Batches(4), Regression.Batches(1));
        Assert.That(_events, Is.Empty);
        Assert.That(trainer.GlobalStep, Is.Zero);
    }

    [Test]
    public void No_validation_batches_are_no_validation()
    {
        using var module = Make();
        using var trainer = new Trainer(accelerator: "cpu", maxEpochs: 1, limitValBatches: 0, enableProgressBar: false);
        trainer.Fit(module, Regression.Batches(1), Regression.Batches(1));
        Assert.That(trainer.Validate(module, Regression.Batches(1)), Is.Empty);
        Assert.That(_events, Is.EqualTo(new[] { "epoch 0", "batch 0", "epoch 0 ends" }));
    }

    [Test]
    public void No_batches_are_no_test_and_no_prediction()
    {
        using var module = Make();
        using var trainer = new Trainer(
            accelerator: "cpu",
            limitTestBatches: 0,
            limitPredictBatches: 0,
            enableProgressBar: false
        );
        Assert.That(trainer.Test(module, Regression.Batches(1)), Is.Empty);
        Assert.That(trainer.Predict(module, Regression.Batches(1)), Is.Empty);
        Assert.That(_events, Is.Empty);
    }

    [Test]
    public void Limits_of_evaluation_hold()
    {
        using var module = Make();
        using var trainer = new Trainer(
            accelerator: "cpu",
            limitValBatches: 1,
            limitTestBatches: 2,
            limitPredictBatches: 3,
            enableProgressBar: false
        );
        trainer.Validate(module, Regression.Batches(4));
        trainer.Test(module, Regression.Batches(4));
        Assert.That(
            _events,
            Is.EqualTo(new[] { "validation", "validation step 0", "test", "test step 0", "test step 1" })
        );
        Assert.That(trainer.Predict(module, Regression.Batches(4)), Has.Count.EqualTo(3));
    }

    [TestCase(null, 1, "4 8 12")]
    [TestCase(null, 2, "8")]
    [TestCase(2, 1, "2 4 6 8 10 12")]
    [TestCase(3, 1, "3 7 11", Description = "counted within an epoch")]
    [TestCase(1, 2, "5 6 7 8")]
    [TestCase(4, 3, "12")]
    public void Validation_comes_when_it_is_asked_for(int? valCheckInterval, int checkValEveryNEpoch, string steps)
    {
        using var module = Make();
        using var trainer = Regression.Train(
            maxEpochs: 3,
            valCheckInterval: valCheckInterval,
            checkValEveryNEpoch: checkValEveryNEpoch
        );
        List<long> seen = [];
        module.OnValidationLoss = (_, _) => seen.Add(trainer.GlobalStep);
        trainer.Fit(module, Regression.Batches(4), Regression.Batches(1));
        Assert.That(string.Join(' ', seen), Is.EqualTo(steps));
    }

    [Test]
    public void Events_come_in_order()
    {
        using var module = Make();
        using var trainer = Regression.Train(maxEpochs: 2, valCheckInterval: 2);
        trainer.Fit(module, Regression.Batches(3), Regression.Batches(1));
        Assert.That(
            _events,
            Is.EqualTo(
                new[]
                {
                    "epoch 0",
                    "batch 0",
                    "batch 1",
                    "validation",
                    "validation step 0",
                    "batch 2",
                    "epoch 0 ends",
                    "epoch 1",
                    "batch 0",
                    "batch 1",
                    "validation",
                    "validation step 0",
                    "batch 2",
                    "epoch 1 ends",
                }
            )
        );
    }

    [Test]
    public void The_loop_can_be_asked_to_stop()
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train(maxEpochs: 10);
        module.OnStep = (inner, loss, index) =>
        {
            inner.Trainer.ShouldStop = index == 1;
            return loss;
        };
        trainer.Fit(module, Regression.Batches(4));
        Assert.That(module.Losses, Has.Count.EqualTo(2));
        module.OnStep = (_, loss, _) => loss;
        trainer.Fit(module, Regression.Batches(4)); // another fit is not stopped
        Assert.That(trainer.CurrentEpoch, Is.EqualTo(10));
    }

    [Test]
    public void Frozen_layers_stay_in_evaluation_mode_after_validation()
    {
        using var module = Regression.Make(dropout: 0.5);
        using var trainer = Regression.Train(maxEpochs: 1, valCheckInterval: 1);
        var dropout = module.modules().OfType<Dropout>().Single();
        List<(bool Module, bool Dropout)> modes = [];
        module.OnHook = _ => modes.Add((module.training, dropout.training));
        module.OnStep = (_, loss, _) =>
        {
            dropout.eval();
            return loss;
        };
        trainer.Fit(module, Regression.Batches(2), Regression.Batches(1));
        // epoch, batch, validation, its step, batch, validation, its step, epoch
        Assert.That(
            modes.Select(mode => mode.Module),
            Is.EqualTo(new[] { true, true, true, false, true, true, false, true })
        );
        Assert.That(modes.Skip(1).Select(mode => mode.Dropout), Is.All.False);
        Assert.That((module.training, dropout.training), Is.EqualTo((true, false)));
        module.eval();
        trainer.Validate(module, Regression.Batches(1));
        Assert.That(module.modules().Prepend(module).Select(inner => inner.training), Is.All.False);
    }

    [Test]
    public void A_step_that_gives_no_loss_changes_no_weight_and_is_said_once()
    {
        using var log = new CapturedLog();
        using var module = Regression.Make();
        var before = module.Weights();
        module.OnStep = (_, _, _) => null;
        using var trainer = Regression.Train(maxEpochs: 2);
        trainer.Fit(module, Regression.Batches(3));
        Assert.That(module.Weights(), Is.EqualTo(before));
        Assert.That(
            log.Warnings.Count(warning =>
                warning.Contains("`training_step` returned `None`", StringComparison.Ordinal)
            ),
            Is.LessThanOrEqualTo(1)
        );
    }

    [Test]
    public void A_loss_that_is_not_finite_is_said_once_a_fit([Values(float.NaN, float.PositiveInfinity)] float factor)
    {
        using var log = new CapturedLog();
        using var module = Regression.Make();
        module.OnStep = (_, loss, index) => loss * (index > 0 ? factor : 1);
        using var trainer = Regression.Train(maxEpochs: 2);
        for (var fit = 1; fit < 3; fit++)
        {
            trainer.Fit(module, Regression.Batches(3));
            Assert.That(log.Warnings, Has.Count.EqualTo(fit));
        }

        Assert.That(
            log.Warnings[0],
            Does.StartWith($"the loss is {(double)factor} at batch 1 of epoch 0 (step 1, precision 32-true).")
        );
    }

    [Test]
    public void A_loss_that_is_not_finite_is_an_error_where_anomalies_are_to_be_detected()
    {
        using var module = Regression.Make();
        module.OnStep = (inner, loss, index) => inner.CurrentEpoch == 1 && index == 2 ? loss * float.NaN : loss;
        using var trainer = new Trainer(
            accelerator: "cpu",
            maxEpochs: 2,
            detectAnomalies: true,
            enableProgressBar: false
        );
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(3)),
            Throws
                .InstanceOf<NonFiniteLossException>()
                .With.Message.EqualTo(
                    "the loss is NaN at batch 2 of epoch 1 (step 5, precision 32-true). Look at the batch and at the "
                        + "learning rate; in 16-true, at the optimizer's epsilon."
                )
        );
        Assert.That(AnomalyMode.IsEnabled, Is.False);
    }

    [Test]
    public void An_operation_whose_gradient_is_not_a_number_is_an_error_where_anomalies_are_to_be_detected()
    {
        using var module = Regression.Make();
        module.OnStep = (_, loss, _) => loss + (loss * 0).sqrt(); // 0, with the gradient 0 * infinity
        using var trainer = new Trainer(
            accelerator: "cpu",
            maxEpochs: 1,
            detectAnomalies: true,
            enableProgressBar: false
        );
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(3)),
            Throws.Exception.With.Message.Contains("returned nan values")
        );
    }

    [Test]
    public void A_fit_inside_a_fit_is_refused_and_changes_nothing()
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train(maxEpochs: 2);
        List<Exception> errors = [];
        module.OnStep = (_, loss, index) =>
        {
            if (index == 1)
            {
                errors.Add(Assert.Throws<InvalidOperationException>(() => trainer.Fit(module, Regression.Batches(1)))!);
                errors.Add(
                    Assert.Throws<InvalidOperationException>(() => trainer.Validate(module, Regression.Batches(1)))!
                );
            }

            return loss;
        };
        trainer.Fit(module, Regression.Batches(3));
        Assert.That(
            errors.Select(error => error.Message),
            Is.All.EqualTo("the trainer runs Regression already; one call at a time")
        );
        Assert.That((trainer.CurrentEpoch, trainer.GlobalStep), Is.EqualTo((2, 6L)));
    }

    private Regression Make()
    {
        var module = Regression.Make();
        module.OnHook = _events.Add;
        return module;
    }
}
