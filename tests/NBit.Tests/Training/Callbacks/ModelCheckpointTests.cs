using System.Text.Json.Nodes;
using NBit.Checkpoints;
using NBit.Tests.Checkpoints;
using NBit.Training.Callbacks;

namespace NBit.Tests.Training.Callbacks;

public sealed class ModelCheckpointTests : DisposeScopeFixture
{
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    // One score for each of 5 epochs with 1 step; the epochs whose checkpoints are left, the best first.
    [TestCase(1, MonitorMode.Min, new[] { 5.0, 3, 4, 2, 6 }, "4")]
    [TestCase(1, MonitorMode.Max, new[] { 5.0, 3, 4, 2, 6 }, "5")]
    [TestCase(2, MonitorMode.Min, new[] { 5.0, 3, 4, 2, 6 }, "4 2")]
    [TestCase(3, MonitorMode.Max, new[] { 5.0, 3, 4, 2, 6 }, "5 1 3")]
    [TestCase(-1, MonitorMode.Min, new[] { 5.0, 3, 4, 2, 6 }, "4 2 3 1 5")]
    [TestCase(0, MonitorMode.Min, new[] { 5.0, 3, 4, 2, 6 }, "")]
    [TestCase(1, MonitorMode.Min, new[] { 1.0, 1, 1, 1, 1 }, "1", Description = "the first of equal ones")]
    [TestCase(2, MonitorMode.Min, new[] { double.NaN, 3, double.NaN, 2, 4 }, "4 2", Description = "NaN is the worst")]
    [TestCase(1, MonitorMode.Max, new[] { double.NaN, 3, 2, 2, 1 }, "2")]
    [TestCase(1, MonitorMode.Min, new[] { double.PositiveInfinity, 3, 4, 4, 4 }, "2")]
    public void The_best_ones_by_a_metric_are_kept_and_the_others_deleted(
        int saveTopK,
        MonitorMode mode,
        double[] scores,
        string epochs
    )
    {
        var checkpoint = new ModelCheckpoint(monitor: "m", mode: mode, saveTopK: saveTopK);
        using var module = Scoring(scores);
        using var trainer = Regression.Train(_directory.Path, maxEpochs: 5, callbacks: checkpoint);
        trainer.Fit(module, Regression.Batches(1), Regression.Batches(1));

        string[] kept =
        [
            .. epochs
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(epoch => $"epoch={epoch}-step={epoch}.safetensors"),
        ];
        Assert.That(Files(), Is.EquivalentTo(kept.Append("last.safetensors")));
        Assert.That(Path.GetFileName(checkpoint.BestModelPath), Is.EqualTo(kept.FirstOrDefault()));
        Assert.That(
            checkpoint.BestModelScore,
            kept.Length == 0 ? Is.Null : Is.EqualTo(scores[int.Parse(epochs.Split(' ')[0]) - 1])
        );
    }

    [TestCase(1, "3")]
    [TestCase(2, "2 3")]
    [TestCase(0, "")]
    [TestCase(-1, "1 2 3")]
    public void Without_a_metric_the_newest_ones_are_kept(int saveTopK, string epochs)
    {
        var checkpoint = new ModelCheckpoint(saveTopK: saveTopK);
        using var module = Regression.Make();
        using var trainer = Regression.Train(_directory.Path, maxEpochs: 3, callbacks: checkpoint);
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(
            Files(),
            Is.EquivalentTo(
                epochs
                    .Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    .Select(epoch => $"epoch={epoch}-step={epoch}.safetensors")
                    .Append("last.safetensors")
            )
        );
        Assert.That(checkpoint.BestModelScore, Is.Null);
        Assert.That(checkpoint.BestModelPath, saveTopK == 0 ? Is.Null : Does.EndWith("epoch=3-step=3.safetensors"));
    }

    [TestCase(1, null, "1/1 1/2 1/3 2/4 2/5 2/6")]
    [TestCase(2, null, "1/2 2/4 2/6")]
    [TestCase(4, null, "2/4")]
    [TestCase(null, 1, "1/3 2/6")]
    [TestCase(null, 2, "2/6")]
    [TestCase(null, 3, "")]
    public void It_saves_as_often_as_it_is_told(int? everyNTrainSteps, int? everyNEpochs, string places)
    {
        var checkpoint = new ModelCheckpoint(
            saveTopK: -1,
            everyNTrainSteps: everyNTrainSteps,
            everyNEpochs: everyNEpochs ?? 1
        );
        using var module = Regression.Make();
        using var trainer = Regression.Train(_directory.Path, maxEpochs: 2, callbacks: checkpoint);
        trainer.Fit(module, Regression.Batches(3));
        // Epochs are counted when they are over: within the first one, steps are saved as epoch 0.
        var offset = everyNTrainSteps is null ? 0 : 1;
        var expected = places
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(place => place.Split('/').Select(int.Parse).ToArray())
            .Select(place => $"epoch={place[0] - offset}-step={place[1]}.safetensors")
            .ToList();
        Assert.That(Files(), Is.EquivalentTo(expected.Count == 0 ? expected : expected.Append("last.safetensors")));
    }

    [Test]
    public void Accumulated_batches_are_saved_where_a_step_is_complete([Values] bool knowsItsLength)
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train(
            _directory.Path,
            accumulate: 2,
            callbacks: new ModelCheckpoint(saveTopK: -1, everyNTrainSteps: 1)
        );
        var batches = Regression.Batches(3);
        trainer.Fit(module, knowsItsLength ? batches : batches.Where(_ => true));
        Assert.That(
            Files(),
            Is.EquivalentTo(new[] { "epoch=0-step=1.safetensors", "epoch=0-step=2.safetensors", "last.safetensors" })
        );
    }

    [Test]
    public void The_last_one_can_be_left_out([Values(0, 1)] int saveTopK)
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train(
            _directory.Path,
            callbacks: new ModelCheckpoint(saveTopK: saveTopK, saveLast: false)
        );
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(Files(), Is.EqualTo(Enumerable.Repeat("epoch=1-step=1.safetensors", saveTopK)));
    }

    [Test]
    public void It_has_a_folder_of_its_own_or_the_trainers()
    {
        var other = _directory.File("other");
        using var module = Regression.Make();
        using var trainer = Regression.Train(_directory.Path, callbacks: new ModelCheckpoint(other));
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(Directory.GetFiles(other), Has.Length.EqualTo(2));
        Assert.That(Files(), Is.Empty);
        Assert.That(new ModelCheckpoint(other).LastPath(trainer), Is.EqualTo(Path.Combine(other, "last.safetensors")));
        Assert.That(
            new ModelCheckpoint().LastPath(trainer),
            Is.EqualTo(Path.Combine(_directory.Path, "checkpoints", "last.safetensors"))
        );
    }

    [Test]
    public void Several_keep_their_own_in_one_folder()
    {
        var best = new ModelCheckpoint(monitor: "m");
        var newest = new ModelCheckpoint();
        var alike = new ModelCheckpoint();
        using var module = Scoring([1, 2, 3]);
        using var trainer = Regression.Train(_directory.Path, maxEpochs: 3, callbacks: [newest, alike, best]);
        trainer.Fit(module, Regression.Batches(1), Regression.Batches(1));
        Assert.That(
            Files(),
            Is.EquivalentTo(new[] { "epoch=1-step=1.safetensors", "epoch=3-step=3.safetensors", "last.safetensors" })
        );
        Assert.That(best.BestModelPath, Does.EndWith("epoch=1-step=1.safetensors"));
    }

    [Test]
    public void Checkpoints_hold_the_state_that_other_callbacks_have_by_then()
    {
        var stopping = new EarlyStopping("m", patience: 9);
        using var module = Scoring([1, 2, 3]);
        using (
            var trainer = Regression.Train(_directory.Path, maxEpochs: 3, callbacks: [new ModelCheckpoint(), stopping])
        )
        {
            trainer.Fit(module, Regression.Batches(1));
        }

        using var reader = SafetensorsReader.Open(Path.Combine(_directory.Path, "checkpoints", "last.safetensors"));
        var state = System.Text.Json.Nodes.JsonNode.Parse(reader.Header.Metadata["nbit.training"])!["callbacks"]!;
        Assert.That(state[stopping.StateKey]!["wait_count"]!.GetValue<int>(), Is.EqualTo(stopping.WaitCount));
        Assert.That(stopping.WaitCount, Is.EqualTo(2));
    }

    [Test]
    public void A_metric_of_validation_is_waited_for_until_there_was_one([Values("m", "missing")] string monitor)
    {
        using var module = Scoring([1, 2, 3, 4]);
        module.OnStep = (_, loss, _) => loss; // only validation logs
        var checkpoint = new ModelCheckpoint(monitor: monitor);
        using var trainer = Regression.Train(
            _directory.Path,
            maxEpochs: 3,
            checkValEveryNEpoch: 2,
            callbacks: checkpoint
        );
        List<string[]> files = [];
        module.OnHook = hook =>
        {
            if (hook.StartsWith("epoch 1", StringComparison.Ordinal))
            {
                files.Add(Files());
            }
        };
        void Fit() => trainer.Fit(module, Regression.Batches(1), Regression.Batches(1));
        if (monitor == "missing")
        {
            Assert.That(
                Fit,
                Throws.InvalidOperationException.With.Message.EqualTo(
                    "ModelCheckpoint monitors 'missing', which was not logged; logged are: m"
                )
            );
        }
        else
        {
            Fit();
            Assert.That(checkpoint.BestModelPath, Does.EndWith("epoch=2-step=2.safetensors"));
        }

        Assert.That(files[0], Is.EqualTo(new[] { "last.safetensors" }));
    }

    [Test]
    public void A_metric_that_was_not_logged_is_refused_with_what_was()
    {
        using var module = Scoring([1]);
        using var trainer = Regression.Train(_directory.Path, callbacks: new ModelCheckpoint(monitor: "loss"));
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1)),
            Throws.InvalidOperationException.With.Message.EqualTo(
                "ModelCheckpoint monitors 'loss', which was not logged; logged are: m"
            )
        );
    }

    // A checkpoint may come from someone else, and with it the list of those that were kept.
    [TestCase("notes.txt")]
    [TestCase("other.safetensors")]
    [TestCase("checkpoints/notes.txt")]
    public void Files_that_are_not_its_own_are_not_deleted(string file)
    {
        Directory.CreateDirectory(_directory.File("checkpoints"));
        var foreign = _directory.File(file);
        File.WriteAllText(foreign, "of the user");
        var checkpoint = new ModelCheckpoint();
        using var module = Regression.Make();
        module.OnHook = hook =>
        {
            if (hook == "epoch 0")
            {
                checkpoint.LoadState(new JsonObject { ["kept"] = new JsonArray(new JsonArray(foreign, -1.0)) });
            }
        };
        using var trainer = Regression.Train(_directory.Path, maxEpochs: 2, callbacks: checkpoint);
        trainer.Fit(module, Regression.Batches(1));
        Assert.That(File.Exists(foreign), Is.True);
        Assert.That(checkpoint.BestModelPath, Does.EndWith("epoch=2-step=2.safetensors"));
    }

    [Test]
    public void Without_a_folder_it_is_refused_before_the_first_step()
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train(callbacks: new ModelCheckpoint());
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1)),
            Throws.InvalidOperationException.With.Message.EqualTo(
                "ModelCheckpoint has no folder: give it a directory, or the Trainer a defaultRootDir"
            )
        );
        Assert.That(module.Losses, Is.Empty);
    }

    [Test]
    public void A_checkpoint_outside_of_a_fit_is_refused()
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train(_directory.Path);
        module.OnHook = hook =>
        {
            if (hook == "validation")
            {
                trainer.SaveCheckpoint(_directory.File("x.safetensors"));
            }
        };
        const string Message = "nothing is being fitted: a checkpoint is written by hooks and callbacks of Fit";
        Assert.That(
            () => trainer.SaveCheckpoint(_directory.File("x.safetensors")),
            Throws.InvalidOperationException.With.Message.EqualTo(Message)
        );
        Assert.That(
            () => trainer.Validate(module, Regression.Batches(1)),
            Throws.InvalidOperationException.With.Message.EqualTo(Message)
        );
        Assert.That(_directory.FileNames, Is.Empty);
        trainer.Fit(module, Regression.Batches(1), Regression.Batches(1)); // inside one, validation may save
        Assert.That(_directory.FileNames, Has.Some.EqualTo("x.safetensors"));
    }

    [TestCase(-2, null, 1, "saveTopK")]
    [TestCase(1, 0, 1, "everyNTrainSteps")]
    [TestCase(1, -1, 1, "everyNTrainSteps")]
    [TestCase(1, null, 0, "everyNEpochs")]
    public void Numbers_that_cannot_be_are_refused_by_name(
        int saveTopK,
        int? everyNTrainSteps,
        int everyNEpochs,
        string name
    ) =>
        Assert.That(
            () =>
                new ModelCheckpoint(saveTopK: saveTopK, everyNTrainSteps: everyNTrainSteps, everyNEpochs: everyNEpochs),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo(name)
        );

    private string[] Files()
    {
        var folder = Path.Combine(_directory.Path, "checkpoints");
        return Directory.Exists(folder)
            ? [.. Directory.GetFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)]
            : [];
    }

    // Logs one score an epoch, in validation and in training.
    private static Regression Scoring(double[] scores)
    {
        var module = Regression.Make();
        module.OnValidationLoss = (inner, _) => inner.Log("m", scores[inner.CurrentEpoch]);
        module.OnStep = (inner, loss, _) =>
        {
            inner.Log("m", scores[inner.CurrentEpoch]);
            return loss;
        };
        return module;
    }
}
