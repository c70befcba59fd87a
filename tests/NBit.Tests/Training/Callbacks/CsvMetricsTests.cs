using NBit.Tests.Checkpoints;
using NBit.Training.Callbacks;

namespace NBit.Tests.Training.Callbacks;

/// <summary>The content of metrics.csv. What a resumed run makes of it: ResumeTests.</summary>
public sealed class CsvMetricsTests : DisposeScopeFixture
{
    private TemporaryDirectory _directory = null!;

    private string Csv => File.ReadAllText(_directory.File("metrics.csv"));

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void Rows_hold_the_steps_and_the_means_as_they_come()
    {
        using var module = Logging();
        using var trainer = Regression.Train(_directory.Path, maxEpochs: 2);
        trainer.Fit(module, Regression.Batches(2), Regression.Batches(2));
        Assert.That(
            Csv,
            Is.EqualTo(
                """
                epoch,step,loss,val,mean
                0,1,1,,
                0,2,2,,
                0,2,,0.5,
                0,2,,,1.5
                1,3,3,,
                1,4,4,,
                1,4,,0.5,
                1,4,,,3.5

                """
            )
        );
    }

    [Test]
    public void Validation_inside_an_epoch_belongs_to_that_epoch()
    {
        using var module = Logging();
        using var trainer = Regression.Train(_directory.Path, maxEpochs: 2, valCheckInterval: 1, logEveryNSteps: 100);
        trainer.Fit(module, Regression.Batches(2), Regression.Batches(1));
        Assert.That(
            Csv,
            Is.EqualTo(
                """
                epoch,step,val,mean
                0,1,0.5,
                0,2,0.5,
                0,2,,1.5
                1,3,0.5,
                1,4,0.5,
                1,4,,3.5

                """
            )
        );
    }

    [TestCase(2, "2 4 6")]
    [TestCase(3, "3 6")]
    [TestCase(7, "")]
    public void Steps_are_written_every_so_often(int everyNSteps, string steps)
    {
        using var module = Regression.Make();
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("loss", inner.GlobalStep);
            return loss;
        };
        using var trainer = Regression.Train(_directory.Path, maxEpochs: 2, logEveryNSteps: everyNSteps);
        trainer.Fit(module, Regression.Batches(3));
        if (steps.Length == 0)
        {
            Assert.That(_directory.FileNames, Has.None.EqualTo("metrics.csv"));
            return;
        }

        Assert.That(Csv.Split('\n').Skip(1).SkipLast(1).Select(row => row.Split(',')[1]), Is.EqualTo(steps.Split(' ')));
    }

    [Test]
    public void Accumulated_batches_write_one_row_a_step_also_where_an_epoch_ends_inside([Values] bool knowsItsLength)
    {
        using var module = Logging();
        using var trainer = Regression.Train(_directory.Path, accumulate: 2);
        var batches = Regression.Batches(3);
        trainer.Fit(module, knowsItsLength ? batches : batches.Where(_ => true));
        Assert.That(
            Csv,
            Is.EqualTo(
                """
                epoch,step,loss,mean
                0,1,1,
                0,2,2,
                0,2,,1.3333333333333333

                """
            )
        );
    }

    [Test]
    public void Numbers_are_written_so_that_they_can_be_read_back_exactly()
    {
        double[] values =
        [
            0.1,
            1.0 / 3,
            double.Epsilon,
            double.MaxValue,
            -0.0,
            double.NaN,
            double.PositiveInfinity,
            double.NegativeInfinity,
        ];
        using var module = Regression.Make();
        module.OnStep = (inner, loss, _) =>
        {
            for (var i = 0; i < values.Length; i++)
            {
                inner.Log($"v{i}", values[i]);
            }

            return loss;
        };
        using var trainer = Regression.Train(_directory.Path);
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(
            Csv.Split('\n')[1]
                .Split(',')
                .Skip(2)
                .Select(field => double.Parse(field, System.Globalization.CultureInfo.InvariantCulture)),
            Is.EqualTo(values)
        );
    }

    [Test]
    public void Names_are_quoted_where_they_must_be()
    {
        using var module = Regression.Make();
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("a,b", 1);
            inner.Log("say \"loss\"", 2);
            inner.Log("two\nlines", 3);
            return loss;
        };
        using var trainer = Regression.Train(_directory.Path);
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(Csv, Is.EqualTo("epoch,step,\"a,b\",\"say \"\"loss\"\"\",\"two\nlines\"\n0,1,1,2,3\n"));
    }

    [Test]
    public void A_name_that_comes_later_is_a_new_column()
    {
        using var module = Regression.Make();
        module.OnStep = (inner, loss, index) =>
        {
            inner.Log($"m{index}", index);
            return loss;
        };
        using var trainer = Regression.Train(_directory.Path);
        trainer.Fit(module, Regression.Batches(3));
        Assert.That(Csv, Is.EqualTo("epoch,step,m0,m1,m2\n0,1,0,,\n0,2,,1,\n0,3,,,2\n"));
    }

    [Test]
    public void A_new_run_moves_an_older_file_aside()
    {
        File.WriteAllText(_directory.File("metrics.csv"), "first");
        File.WriteAllText(_directory.File("metrics-1.csv"), "older");
        using var module = Logging();
        using var trainer = Regression.Train(_directory.Path);
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(Csv, Does.StartWith("epoch,step"));
        Assert.That(File.ReadAllText(_directory.File("metrics-1.csv")), Is.EqualTo("older"));
        Assert.That(File.ReadAllText(_directory.File("metrics-2.csv")), Is.EqualTo("first"));
    }

    [Test]
    public void A_second_fit_of_the_same_trainer_begins_a_new_file()
    {
        using var module = Logging();
        using var trainer = Regression.Train(_directory.Path);
        trainer.Fit(module, Regression.Batches(1));
        var first = Csv;
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(Csv, Is.EqualTo(first));
        Assert.That(File.ReadAllText(_directory.File("metrics-1.csv")), Is.EqualTo(first));
    }

    [Test]
    public void A_callback_of_the_users_own_is_the_only_one()
    {
        using var module = Logging();
        using var trainer = Regression.Train(_directory.Path, logEveryNSteps: 1, callbacks: new CsvMetrics(2));
        trainer.Fit(module, Regression.Batches(2));
        Assert.That(Csv, Is.EqualTo("epoch,step,loss,mean\n0,2,2,\n0,2,,1.5\n"));
    }

    [Test]
    public void Without_a_folder_the_callback_is_refused()
    {
        using var module = Logging();
        using var trainer = Regression.Train(callbacks: new CsvMetrics());
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1)),
            Throws.InvalidOperationException.With.Message.EqualTo(
                "CsvMetrics has no folder: give the Trainer a defaultRootDir"
            )
        );
    }

    [Test]
    public void Fewer_than_one_step_is_refused([Values(0, -1)] int everyNSteps) =>
        Assert.That(() => new CsvMetrics(everyNSteps), Throws.InstanceOf<ArgumentOutOfRangeException>());

    // The loss is the number of the step; its mean is taken; validation gives 0.5.
    private static Regression Logging()
    {
        var module = Regression.Make();
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("loss", inner.GlobalStep + 1);
            inner.Log("mean", inner.GlobalStep + 1, onStep: false, onEpoch: true);
            return loss;
        };
        module.OnValidationLoss = (inner, _) => inner.Log("val", 0.5);
        return module;
    }
}
