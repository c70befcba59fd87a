using NBit.Training;

namespace NBit.Tests.Training;

public sealed class MetricStoreTests
{
    [TestCase(Stage.Training, true)]
    [TestCase(Stage.Validation, false)]
    [TestCase(Stage.Test, false)]
    public void A_value_counts_by_itself_in_training_and_by_its_mean_elsewhere(Stage stage, bool byStep)
    {
        var metrics = new MetricStore { Stage = stage };
        Log(metrics, "m", 1);
        Log(metrics, "m", 4);
        Assert.That(metrics.Latest["m"], Is.EqualTo(4));
        Assert.That(metrics.LastStep, byStep ? Is.EquivalentTo(Values(("m", 4))) : Is.Empty);
        Assert.That(metrics.EndEpoch(), byStep ? Is.Empty : Is.EquivalentTo(Values(("m", 2.5))));
        Assert.That(metrics.Latest["m"], Is.EqualTo(byStep ? 4 : 2.5));
    }

    [Test]
    public void A_value_that_counts_both_ways_has_both_suffixes()
    {
        var metrics = new MetricStore { Stage = Stage.Training };
        Log(metrics, "m", 1, onStep: true, onEpoch: true);
        Log(metrics, "m", 4, onStep: true, onEpoch: true);
        Assert.That(metrics.LastStep, Is.EquivalentTo(Values(("m_step", 4))));
        Assert.That(metrics.Latest, Is.EquivalentTo(Values(("m", 4), ("m_step", 4))));
        Assert.That(metrics.EndEpoch(), Is.EquivalentTo(Values(("m_epoch", 2.5))));
        Assert.That(
            metrics.Latest,
            Is.EquivalentTo(Values(("m", 2.5), ("m_step", 4), ("m_epoch", 2.5))),
            "the plain name is the mean then"
        );
    }

    [Test]
    public void A_name_that_ends_like_a_suffix_is_a_name()
    {
        var metrics = new MetricStore { Stage = Stage.Validation };
        Log(metrics, "m", 1);
        Log(metrics, "m_epoch", 3);
        Assert.That(metrics.EndEpoch(), Is.EquivalentTo(Values(("m", 1), ("m_epoch", 3))));
        Assert.That(metrics.Latest, Is.EquivalentTo(Values(("m", 1), ("m_epoch", 3))));
    }

    [Test]
    public void A_value_that_counts_neither_way_is_the_latest_all_the_same()
    {
        var metrics = new MetricStore { Stage = Stage.Training };
        Log(metrics, "m", 1, onStep: false, onEpoch: false);
        Assert.That(metrics.LastStep, Is.Empty);
        Assert.That(metrics.EndEpoch(), Is.Empty);
        Assert.That(metrics.Latest, Is.EquivalentTo(Values(("m", 1))));
    }

    [Test]
    public void Means_are_weighted_by_the_size_of_the_batch()
    {
        var metrics = new MetricStore { Stage = Stage.Validation };
        Log(metrics, "m", 1, batchSize: 3);
        Log(metrics, "m", 5, batchSize: 1);
        Log(metrics, "n", 7);
        Assert.That(metrics.EndEpoch(), Is.EquivalentTo(Values(("m", 2), ("n", 7))));
        Log(metrics, "m", 9);
        Assert.That(metrics.EndEpoch(), Is.EquivalentTo(Values(("m", 9))), "the next epoch begins anew");
    }

    [Test]
    public void Validation_inside_an_epoch_keeps_its_means_apart()
    {
        var metrics = new MetricStore { Stage = Stage.Training };
        Log(metrics, "m", 1, onStep: false, onEpoch: true);
        metrics.Stage = Stage.Validation;
        Log(metrics, "m", 10, onStep: true, onEpoch: true);
        Assert.That(metrics.EndEpoch(), Is.EquivalentTo(Values(("m_epoch", 10))));
        metrics.Stage = Stage.Training;
        Assert.That(metrics.LastStep, Is.Empty, "what validation logs is not of a training step");
        Log(metrics, "m", 3, onStep: false, onEpoch: true);
        Assert.That(metrics.EndEpoch(), Is.EquivalentTo(Values(("m", 2))));
    }

    [Test]
    public void A_part_of_an_epoch_has_means_that_go_on()
    {
        var metrics = new MetricStore { Stage = Stage.Validation };
        Log(metrics, "m", 1);
        Assert.That(metrics.EndEpoch(isWhole: false), Is.EquivalentTo(Values(("m", 1))));
        Log(metrics, "m", 3);
        Assert.That(metrics.EndEpoch(), Is.EquivalentTo(Values(("m", 2))));
    }

    [Test]
    public void A_step_forgets_the_values_of_the_one_before()
    {
        var metrics = new MetricStore { Stage = Stage.Training };
        Log(metrics, "m", 1);
        metrics.BeginStep();
        Log(metrics, "n", 2);
        Assert.That(metrics.LastStep, Is.EquivalentTo(Values(("n", 2))));
        Assert.That(metrics.Latest, Is.EquivalentTo(Values(("m", 1), ("n", 2))));
    }

    [Test]
    public void What_is_saved_in_the_middle_of_an_epoch_goes_on_as_it_was()
    {
        var metrics = new MetricStore { Stage = Stage.Training };
        Log(metrics, "m", 0.1, onStep: true, onEpoch: true, batchSize: 3);
        var (latest, means) = metrics.Save();
        var restored = new MetricStore { Stage = Stage.Training };
        Log(restored, "other", 5, onEpoch: true);
        restored.Load(latest, means);
        foreach (var store in (MetricStore[])[metrics, restored])
        {
            Log(store, "m", 0.7, onStep: true, onEpoch: true, batchSize: 2);
        }

        Assert.That(restored.EndEpoch(), Is.EqualTo(metrics.EndEpoch()));
        Assert.That(restored.Latest, Is.EquivalentTo(metrics.Latest));
    }

    [Test]
    public void The_progress_bar_shows_the_latest_values_that_it_was_given()
    {
        var metrics = new MetricStore { Stage = Stage.Validation };
        Log(metrics, "b", 1, progressBar: true);
        Log(metrics, "a", 2, progressBar: true);
        Log(metrics, "hidden", 3);
        Log(metrics, "b", 3, progressBar: true);
        Assert.That(metrics.ProgressBar, Is.EqualTo(new[] { ("a", 2.0), ("b", 3.0) }));
        metrics.EndEpoch();
        Assert.That(metrics.ProgressBar, Is.EqualTo(new[] { ("a", 2.0), ("b", 2.0) }));
        metrics.Clear();
        Assert.That(metrics.ProgressBar, Is.Empty);
        Assert.That(metrics.Latest, Is.Empty);
    }

    [Test]
    public void A_metric_needs_a_name_and_a_weight()
    {
        var metrics = new MetricStore();
        Assert.That(() => Log(metrics, "", 1), Throws.ArgumentException);
        Assert.That(() => Log(metrics, null!, 1), Throws.ArgumentNullException);
        Assert.That(() => Log(metrics, "m", 1, batchSize: 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => Log(metrics, "m", 1, batchSize: -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(metrics.Latest, Is.Empty);
    }

    private static void Log(
        MetricStore metrics,
        string name,
        double value,
        bool? onStep = null,
        bool? onEpoch = null,
        bool progressBar = false,
        double batchSize = 1
    ) => metrics.Log(name, value, onStep, onEpoch, progressBar, batchSize);

    private static Dictionary<string, double> Values(params (string Name, double Value)[] values) =>
        values.ToDictionary(entry => entry.Name, entry => entry.Value, StringComparer.Ordinal);
}
