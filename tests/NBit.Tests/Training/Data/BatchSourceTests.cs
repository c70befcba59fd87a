using System.Collections;
using NBit.Testing;
using NBit.Training;
using NBit.Training.Data;
using static TorchSharp.torch;

namespace NBit.Tests.Training.Data;

/// <summary>What the trainer makes of data sources, and what it says about bad ones.</summary>
public sealed class BatchSourceTests : DisposeScopeFixture
{
    [TestCase("training")]
    [TestCase("validation")]
    [TestCase("test")]
    [TestCase("prediction")]
    public void A_source_that_throws_is_named_with_the_batch(string what)
    {
        var source = new Source(3) { OnBatch = index => throw new IOException($"no disk for {index}") };
        var error = Assert.Throws<DataSourceException>(() => Run(what, source));
        Assert.That(
            error!.Message,
            Is.EqualTo(
                $"the {what} source (Source) threw at batch 0{(what == "training" ? " of epoch 0" : "")}: no disk for 0"
            )
        );
        Assert.That(error.InnerException, Is.InstanceOf<IOException>());
    }

    [Test]
    public void A_source_that_throws_later_is_named_with_batch_and_epoch()
    {
        var source = new Source(3);
        source.OnBatch = index =>
        {
            if (source.Enumerations == 2 && index == 1)
            {
                throw new IOException("gone");
            }
        };
        Assert.That(
            () => Run("training", source),
            Throws
                .InstanceOf<DataSourceException>()
                .With.Message.EqualTo("the training source (Source) threw at batch 1 of epoch 1: gone")
        );
    }

    [Test]
    public void A_source_that_throws_before_its_first_batch_is_named_too()
    {
        var source = new Source(3) { OnBegin = () => throw new InvalidOperationException("read already") };
        Assert.That(
            () => Run("training", source),
            Throws
                .InstanceOf<DataSourceException>()
                .With.Message.EqualTo("the training source (Source) threw at batch 0 of epoch 0: read already")
        );
    }

    [Test]
    public void A_cancelled_source_ends_the_run_as_cancelled()
    {
        var source = new Source(3) { OnBatch = _ => throw new OperationCanceledException() };
        Assert.That(() => Run("training", source), Throws.InstanceOf<OperationCanceledException>());
    }

    [TestCase("training")]
    [TestCase("validation")]
    [TestCase("test")]
    [TestCase("prediction")]
    public void An_empty_source_is_refused(string what) =>
        Assert.That(
            () => Run(what, new Source(0)),
            Throws.InstanceOf<DataSourceException>().With.Message.EqualTo($"the {what} source (Source) gave no batch")
        );

    [Test]
    public void A_source_that_can_be_enumerated_once_is_refused_with_a_remedy([Values(null, 2)] int? limit)
    {
        var once = new Source(3);
        once.OnBegin = () => once.Length = once.Enumerations == 1 ? 3 : 0;
        Assert.That(
            () => Run("training", once, limit),
            Throws
                .InstanceOf<DataSourceException>()
                .With.Message.EqualTo(
                    $"the training source (Source) gave no batch in epoch 1, after {limit ?? 3} the time before: it can be "
                        + "enumerated only once. Pass a source that starts again, e.g. a list, a DataLoader or "
                        + "ShuffledBatches."
                )
        );
    }

    [Test]
    public void A_validation_source_that_can_be_enumerated_once_is_refused_with_a_remedy()
    {
        var once = new Source(3);
        once.OnBegin = () => once.Length = once.Enumerations == 1 ? 3 : 0;
        using var module = Regression.Make();
        using var trainer = Regression.Train(maxEpochs: 2);
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1), once),
            Throws
                .InstanceOf<DataSourceException>()
                .With.Message.StartsWith(
                    "the validation source (Source) gave no batch, after 3 the time before: it can be enumerated only "
                        + "once."
                )
        );
    }

    [Test]
    public void A_source_that_ends_early_is_said()
    {
        using var log = new CapturedLog();
        var source = new Source(3);
        source.OnBegin = () => source.Length = source.Enumerations == 1 ? 3 : 2;
        Run("training", source);
        Assert.That(
            log.Warnings,
            Is.EqualTo(new[] { "the training source (Source) ended early: 2 batches in epoch 1, 3 expected" })
        );
    }

    [Test]
    public void An_uninterrupted_run_says_nothing_about_its_source(
        [Values(null, 2, 3, 5)] int? limit,
        [Values] bool knowsItsLength
    )
    {
        using var log = new CapturedLog();
        Run("training", knowsItsLength ? Regression.Batches(3) : new Source(3), limit);
        Assert.That(log.Warnings, Is.Empty);
    }

    [Test]
    public void The_number_of_batches_is_known_where_the_source_knows_it()
    {
        using var data = utils.data.TensorDataset(ones(7, 4), ones(7, 1));
        using var loader = utils.data.DataLoader(data, 2);
        Assert.That(Count(loader, 9), Is.EqualTo(4));
        Assert.That(Count(loader, 3), Is.EqualTo(3));
        Assert.That(Count(new int[5], 9), Is.EqualTo(5));
        Assert.That(Count(new Queue<int>([1, 2]), 9), Is.EqualTo(2));
        Assert.That(Count(new ShuffledBatches<long[]>(5, 2, indices => indices), 9), Is.EqualTo(3));
        Assert.That(Count(new Source(5), 9), Is.Null);
        Assert.That(Count(new Source(5), 0), Is.Zero);

        static int? Count<T>(IEnumerable<T> source, int limit) => new BatchSource<T>(source, "x", limit).Count;
    }

    [Test]
    public void A_source_that_can_be_positioned_is_positioned_before_each_enumeration()
    {
        var source = new Positioned();
        using var module = Regression.Make();
        using var trainer = Regression.Train(maxEpochs: 3);
        trainer.Fit(module, source, source);
        trainer.Test(module, source);
        Assert.That(
            source.Seeks,
            Is.EqualTo(new[] { (0, 0), (0, 0), (1, 0), (0, 0), (2, 0), (0, 0), (0, 0) }),
            "evaluation is the same each time"
        );
    }

    [Test]
    public void Reading_goes_on_at_a_batch([Values] bool canBePositioned)
    {
        using var log = new CapturedLog();
        var positioned = new Positioned();
        IEnumerable<(Tensor X, Tensor Y)> source = canBePositioned ? positioned : new Source(4);
        var read = new BatchSource<(Tensor X, Tensor Y)>(source, "training", int.MaxValue)
            .Read(epoch: 2, first: 3)
            .Select(entry => entry.Index)
            .ToList();
        Assert.That(read, Is.EqualTo(new[] { 3 }));
        if (canBePositioned)
        {
            Assert.That(positioned.Seeks, Is.EqualTo(new[] { (2, 3) }));
            Assert.That(log.Warnings, Is.Empty);
        }
        else
        {
            Assert.That(
                log.Warnings.Single(),
                Does.StartWith(
                    "the training source (Source) cannot be repositioned: the run continues at epoch 2, batch 3, with its "
                        + "first 3 batches skipped."
                )
            );
        }
    }

    [Test]
    public void Reading_begins_at_an_epoch_with_a_warning_where_the_source_cannot_be_positioned()
    {
        using var log = new CapturedLog();
        var source = new BatchSource<(Tensor X, Tensor Y)>(new Source(2), "training", int.MaxValue);
        Assert.That(source.Read(epoch: 1, first: 0).Count(), Is.EqualTo(2));
        Assert.That(source.Read(epoch: 2, first: 0).Count(), Is.EqualTo(2));
        Assert.That(
            log.Warnings.Single(),
            Does.Contain("the run continues at epoch 1, batch 0, with its first enumeration.")
        );
    }

    [Test]
    public void Enumerators_are_disposed_also_where_a_step_throws()
    {
        var source = new Source(3);
        using var module = Regression.Make();
        using var trainer = Regression.Train(maxEpochs: 2);
        trainer.Fit(module, source);
        module.OnStep = (_, _, _) => throw new TimeoutException();
        Assert.That(() => trainer.Fit(module, source), Throws.InstanceOf<TimeoutException>());
        Assert.That((source.Enumerations, source.Disposals), Is.EqualTo((3, 3)));
    }

    private static void Run(string what, IEnumerable<(Tensor X, Tensor Y)> source, int? limit = null)
    {
        using var module = Regression.Make();
        using var trainer = new Trainer(
            accelerator: "cpu",
            maxEpochs: 2,
            limitTrainBatches: limit,
            enableProgressBar: false
        );
        switch (what)
        {
            case "training":
                trainer.Fit(module, source);
                break;
            case "validation":
                trainer.Validate(module, source);
                break;
            case "test":
                trainer.Test(module, source);
                break;
            default:
                trainer.Predict(module, source);
                break;
        }
    }

    private sealed class Source(int length) : IEnumerable<(Tensor X, Tensor Y)>
    {
        public int Length { get; set; } = length;

        public Action<int>? OnBatch { get; set; }

        public Action? OnBegin { get; set; }

        public int Enumerations { get; private set; }

        public int Disposals { get; private set; }

        public IEnumerator<(Tensor X, Tensor Y)> GetEnumerator()
        {
            Enumerations++;
            OnBegin?.Invoke();
            return Enumerate();
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        private IEnumerator<(Tensor X, Tensor Y)> Enumerate()
        {
            try
            {
                for (var i = 0; i < Length; i++)
                {
                    OnBatch?.Invoke(i);
                    yield return (ones(2, 4), ones(2, 1));
                }
            }
            finally
            {
                Disposals++;
            }
        }
    }

    private sealed class Positioned : IEnumerable<(Tensor X, Tensor Y)>, IRepositionable
    {
        private const int Length = 4;
        private int _first;

        public List<(int Epoch, int Batch)> Seeks { get; } = [];

        public void Seek(int epoch, int batch)
        {
            Seeks.Add((epoch, batch));
            _first = batch;
        }

        public IEnumerator<(Tensor X, Tensor Y)> GetEnumerator()
        {
            for (var i = _first; i < Length; i++)
            {
                yield return (ones(2, 4), ones(2, 1));
            }
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
