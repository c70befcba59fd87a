using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace NBit.Tests.Training;

/// <summary>When learning-rate schedulers step, and what they are told.</summary>
public sealed class SchedulerTests : DisposeScopeFixture
{
    // The learning rate begins at 1 and is halved at each step of the scheduler; seen by each of 4 batches in 2 epochs.
    [TestCase(SchedulerInterval.Epoch, 1, 1, "1 1 1 1 0.5 0.5 0.5 0.5")]
    [TestCase(SchedulerInterval.Epoch, 2, 1, "1 1 1 1 1 1 1 1")]
    [TestCase(SchedulerInterval.Step, 1, 1, "1 0.5 0.25 0.125 0.0625 0.03125 0.015625 0.0078125")]
    [TestCase(SchedulerInterval.Step, 2, 1, "1 1 0.5 0.5 0.25 0.25 0.125 0.125")]
    [TestCase(
        SchedulerInterval.Step,
        3,
        1,
        "1 1 1 0.5 0.5 0.5 0.25 0.25",
        Description = "the count goes on over epochs"
    )]
    [TestCase(SchedulerInterval.Step, 1, 2, "1 1 0.5 0.5 0.25 0.25 0.125 0.125")]
    [TestCase(
        SchedulerInterval.Step,
        2,
        2,
        "1 1 1 1 0.5 0.5 0.5 0.5",
        Description = "optimizer steps count, not batches"
    )]
    public void A_scheduler_steps_as_often_as_it_is_told(
        SchedulerInterval interval,
        int frequency,
        int accumulate,
        string rates
    )
    {
        using var module = Regression.Make();
        List<double> seen = [];
        module.Configure = parameters =>
        {
            var optimizer = SGD(parameters, 1);
            module.OnStep = (_, loss, _) =>
            {
                seen.Add(optimizer.ParamGroups.Single().LearningRate);
                return loss * 0;
            };
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(lr_scheduler.StepLR(optimizer, 1, 0.5), interval, frequency)
                ),
            ];
        };
        using var trainer = Regression.Train(maxEpochs: 2, accumulate: accumulate);
        trainer.Fit(module, Regression.Batches(4));
        Assert.That(string.Join(' ', seen.Select(rate => FormattableString.Invariant($"{rate}"))), Is.EqualTo(rates));
    }

    [Test]
    public void A_scheduler_steps_after_a_partial_accumulation_of_unknown_length()
    {
        using var module = Regression.Make();
        Optimizer optimizer = null!;
        module.Configure = parameters =>
        {
            optimizer = SGD(parameters, 1);
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(lr_scheduler.StepLR(optimizer, 1, 0.5), SchedulerInterval.Step)
                ),
            ];
        };
        using var trainer = Regression.Train(accumulate: 2);
        trainer.Fit(module, Regression.Batches(3).Where(_ => true));
        Assert.That(optimizer.ParamGroups.Single().LearningRate, Is.EqualTo(0.25));
    }

    [TestCase("val_loss", SchedulerInterval.Epoch)]
    [TestCase("train_mean", SchedulerInterval.Epoch)]
    [TestCase("train_loss", SchedulerInterval.Step)]
    public void Plateaus_are_found_by_the_monitor(string monitor, SchedulerInterval interval)
    {
        using var module = Regression.Make();
        Optimizer optimizer = null!;
        module.Configure = parameters =>
        {
            optimizer = SGD(parameters, 1);
            var scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor: 0.5, patience: 0);
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(scheduler, interval, Monitor: monitor)
                ),
            ];
        };
        module.OnValidationLoss = (inner, _) => inner.Log("val_loss", 5);
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("train_loss", 5);
            inner.Log("train_mean", 5, onStep: false, onEpoch: true);
            return loss;
        };
        using var trainer = Regression.Train(maxEpochs: 3);
        trainer.Fit(module, Regression.Batches(1), Regression.Batches(1));
        Assert.That(optimizer.ParamGroups.Single().LearningRate, Is.EqualTo(0.25)); // the first look is the best one
    }

    [Test]
    public void A_monitor_that_was_not_logged_is_refused_with_what_was()
    {
        using var module = Plateau("val_los");
        module.OnValidationLoss = (inner, _) => inner.Log("val_loss", 5);
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("train_loss", 5);
            return loss;
        };
        using var trainer = Regression.Train();
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1), Regression.Batches(1)),
            Throws.InvalidOperationException.With.Message.EqualTo(
                "a learning-rate scheduler monitors 'val_los', which was not logged; logged are: train_loss, "
                    + "val_loss"
            )
        );
    }

    [Test]
    public void A_plateau_without_a_monitor_is_refused_before_the_first_step()
    {
        using var module = Plateau(null);
        using var trainer = Regression.Train();
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1)),
            Throws.InvalidOperationException.With.Message.EqualTo(
                "Regression.ConfigureOptimizers gave a ReduceLROnPlateau scheduler without a Monitor: name the logged "
                    + "metric that it follows"
            )
        );
        Assert.That(module.Losses, Is.Empty);
    }

    [Test]
    public void A_scheduler_that_needs_no_metric_may_have_a_monitor()
    {
        using var module = Regression.Make();
        Optimizer optimizer = null!;
        module.Configure = parameters =>
        {
            optimizer = SGD(parameters, 1);
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(lr_scheduler.StepLR(optimizer, 1, 0.5), Monitor: "m")
                ),
            ];
        };
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("m", 1);
            return loss;
        };
        using var trainer = Regression.Train(maxEpochs: 2);
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(optimizer.ParamGroups.Single().LearningRate, Is.EqualTo(0.25));
    }

    [Test]
    public void Schedulers_of_manual_optimization_are_the_modules_business()
    {
        using var module = new Manual();
        using var trainer = Regression.Train();
        trainer.Fit(module, Regression.Batches(2));
        Assert.That(module.LearningRate, Is.EqualTo(1));
    }

    [Test]
    public void A_frequency_below_1_is_refused([Values(0, -1)] int frequency)
    {
        using var model = nn.Linear(1, 1);
        using var optimizer = SGD(model.parameters(), 1);
        var scheduler = lr_scheduler.StepLR(optimizer, 1);
        Assert.That(
            () => new SchedulerConfiguration(scheduler, Frequency: frequency),
            Throws
                .InstanceOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("the frequency of a learning-rate scheduler is 1 or more")
        );
    }

    private static Regression Plateau(string? monitor)
    {
        var module = Regression.Make();
        module.Configure = parameters =>
        {
            var optimizer = SGD(parameters, 1);
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(lr_scheduler.ReduceLROnPlateau(optimizer), Monitor: monitor)
                ),
            ];
        };
        return module;
    }

    private sealed class Manual : TrainingModule<(Tensor X, Tensor Y)>
    {
        private readonly Linear _layer = nn.Linear(4, 1);

        public Manual()
            : base(nameof(Manual)) => RegisterComponents();

        public double LearningRate { get; private set; }

        public override bool AutomaticOptimization => false;

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex)
        {
            Optimizers()[0].step();
            LearningRate = Optimizers()[0].ParamGroups.Single().LearningRate;
            return null;
        }

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers()
        {
            var optimizer = SGD(_layer.parameters(), 1);
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(lr_scheduler.StepLR(optimizer, 1, 0.5), SchedulerInterval.Step)
                ),
            ];
        }
    }
}
