using NBit.Training.Callbacks;

namespace NBit.Tests.Training.Callbacks;

public sealed class EarlyStoppingTests : DisposeScopeFixture
{
    // The number of looks before training ends; each case has more values than that, or ends at the 8th epoch.
    [TestCase(MonitorMode.Min, 0.0, 2, new[] { 3.0, 2, 2, 2, 1 }, 4)]
    [TestCase(
        MonitorMode.Min,
        0.0,
        3,
        new[] { 3.0, 2, 2, 2, 1, 1, 1, 1 },
        8,
        Description = "a better value begins the count anew"
    )]
    [TestCase(MonitorMode.Min, 0.5, 2, new[] { 3.0, 2.6, 2.6, 1 }, 3, Description = "too small a change")]
    [TestCase(
        MonitorMode.Min,
        0.5,
        2,
        new[] { 3.0, 2.5, 2.4, 1.9, 1, 1, 1 },
        7,
        Description = "changes of 0.5 do not count, of 0.6 do"
    )]
    [TestCase(MonitorMode.Min, 0.0, 0, new[] { 3.0, 2, 2, 1 }, 3, Description = "no patience")]
    [TestCase(MonitorMode.Max, 0.0, 2, new[] { 1.0, 2, 2, 2, 3 }, 4)]
    [TestCase(MonitorMode.Max, 0.0, 2, new[] { 3.0, 2, 1, 5 }, 3)]
    [TestCase(MonitorMode.Min, 0.0, 5, new[] { 3.0, double.NaN, 1 }, 2)]
    [TestCase(MonitorMode.Min, 0.0, 5, new[] { double.NaN, 1 }, 1)]
    [TestCase(MonitorMode.Min, 0.0, 5, new[] { 3.0, double.NegativeInfinity, 1 }, 2)]
    [TestCase(MonitorMode.Max, 0.0, 5, new[] { 3.0, double.PositiveInfinity, 1 }, 2)]
    [TestCase(MonitorMode.Min, 0.0, 3, new[] { 8.0, 7, 6, 5, 4, 3, 2, 1 }, 8, Description = "always better")]
    public void Training_ends_when_the_metric_has_stopped_getting_better(
        MonitorMode mode,
        double minDelta,
        int patience,
        double[] values,
        int looks
    )
    {
        foreach (var byValidation in (bool[])[true, false])
        {
            using var module = Regression.Make();
            var seen = 0;
            if (byValidation)
            {
                module.OnValidationLoss = (inner, _) => inner.Log("m", values[Math.Min(seen++, values.Length - 1)]);
            }
            else
            {
                module.OnStep = (inner, loss, _) =>
                {
                    inner.Log("m", values[Math.Min(seen++, values.Length - 1)], onStep: false, onEpoch: true);
                    return loss;
                };
            }

            using var trainer = Regression.Train(
                maxEpochs: 8,
                callbacks: new EarlyStopping("m", minDelta, patience, mode)
            );
            trainer.Fit(module, Regression.Batches(1), byValidation ? Regression.Batches(1) : null);
            Assert.That((seen, trainer.CurrentEpoch), Is.EqualTo((looks, looks)));
        }
    }

    [Test]
    public void The_best_score_and_the_wait_can_be_read()
    {
        double[] values = [3, 1, 2, 2.5];
        var stopping = new EarlyStopping("m", patience: 9);
        Assert.That(stopping.BestScore, Is.EqualTo(double.PositiveInfinity));
        Assert.That(new EarlyStopping("m", mode: MonitorMode.Max).BestScore, Is.EqualTo(double.NegativeInfinity));
        using var module = Regression.Make();
        var seen = 0;
        module.OnValidationLoss = (inner, _) => inner.Log("m", values[seen++]);
        using var trainer = Regression.Train(maxEpochs: 4, callbacks: stopping);
        trainer.Fit(module, Regression.Batches(1), Regression.Batches(1));
        Assert.That((stopping.BestScore, stopping.WaitCount), Is.EqualTo((1.0, 2)));
    }

    [Test]
    public void Every_validation_is_looked_at_and_nothing_else()
    {
        var stopping = new EarlyStopping("m", patience: 100);
        using var module = Regression.Make();
        module.OnValidationLoss = (inner, _) => inner.Log("m", 1);
        using (var trainer = Regression.Train(maxEpochs: 2, valCheckInterval: 1, callbacks: stopping))
        {
            trainer.Fit(module, Regression.Batches(3), Regression.Batches(1));
            Assert.That(stopping.WaitCount, Is.EqualTo(5)); // 6 looks, the first one better than nothing
        }

        stopping = new EarlyStopping("m", patience: 100);
        using var every2 = Regression.Train(maxEpochs: 5, checkValEveryNEpoch: 2, callbacks: stopping);
        every2.Fit(module, Regression.Batches(1), Regression.Batches(1)); // no look at epochs without validation
        Assert.That(stopping.WaitCount, Is.EqualTo(1));
    }

    [Test]
    public void A_training_ends_in_the_middle_of_an_epoch_where_validation_does()
    {
        using var module = Regression.Make();
        module.OnValidationLoss = (inner, _) => inner.Log("m", 1);
        using var trainer = Regression.Train(
            maxEpochs: 2,
            valCheckInterval: 1,
            callbacks: new EarlyStopping("m", patience: 1)
        );
        trainer.Fit(module, Regression.Batches(4), Regression.Batches(1));
        Assert.That(trainer.GlobalStep, Is.EqualTo(2));
    }

    [Test]
    public void A_metric_that_was_not_logged_is_refused_with_what_was([Values] bool validates)
    {
        using var module = Regression.Make();
        module.OnValidationLoss = (inner, _) => inner.Log("val_loss", 1);
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("loss", 1);
            return loss;
        };
        using var trainer = Regression.Train(callbacks: new EarlyStopping("val_los"));
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1), validates ? Regression.Batches(1) : null),
            Throws.InvalidOperationException.With.Message.EqualTo(
                "EarlyStopping monitors 'val_los', which was not logged; logged are: "
                    + $"{(validates ? "loss, val_loss" : "loss")}"
            )
        );
    }

    [Test]
    public void Arguments_that_cannot_be_are_refused()
    {
        Assert.That(() => new EarlyStopping(""), Throws.ArgumentException);
        Assert.That(() => new EarlyStopping(null!), Throws.ArgumentNullException);
        Assert.That(() => new EarlyStopping("m", minDelta: -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => new EarlyStopping("m", patience: -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }
}
