using CsCheck;
using NBit.Training.Data;
using static TorchSharp.torch;

namespace NBit.Tests.Training.Data;

public sealed class ShuffledBatchesTests
{
    private static readonly Gen<(int Samples, int BatchSize, long Seed, bool DropLast)> Sizes = Gen.Select(
            Gen.Int[1, 50],
            Gen.Int[1, 12],
            Gen.Long,
            Gen.Bool
        )
        .Where(sizes => !sizes.Item4 || sizes.Item1 >= sizes.Item2);

    // Computed by another implementation of SplitMix64 and of Fisher and Yates' shuffle.
    [TestCase(0, 0, new long[] { 4, 9, 2, 5, 1, 7, 6, 0, 3, 8 })]
    [TestCase(0, 1, new long[] { 5, 7, 1, 6, 9, 3, 0, 4, 8, 2 })]
    [TestCase(5, 0, new long[] { 2, 8, 4, 9, 5, 7, 0, 1, 6, 3 })]
    [TestCase(-1, 3, new long[] { 9, 2, 8, 4, 7, 6, 0, 3, 1, 5 })]
    public void The_order_is_the_same_on_every_machine(long seed, int epoch, long[] expected)
    {
        var batches = new ShuffledBatches<long[]>(10, 4, samples => samples, seed);
        batches.Seek(epoch, 0);
        Assert.That(batches.SelectMany(batch => batch), Is.EqualTo(expected));
    }

    [Test]
    public void An_epoch_holds_each_sample_once() =>
        Sizes.Sample(sizes =>
        {
            var batches = Make(sizes);
            var epoch = batches.ToList();
            var given = epoch.SelectMany(batch => batch).ToList();
            var expected = sizes.DropLast ? sizes.Samples / sizes.BatchSize * sizes.BatchSize : sizes.Samples;
            return epoch.Count == batches.Count
                && given.Count == expected
                && given.Distinct().Count() == expected
                && given.TrueForAll(sample => sample >= 0 && sample < sizes.Samples)
                && epoch.SkipLast(1).All(batch => batch.Length == sizes.BatchSize);
        });

    [Test]
    public void Seek_gives_the_batches_of_an_uninterrupted_enumeration() =>
        Gen.Select(Sizes, Gen.Int[0, 3], Gen.Int[0, 60])
            .Sample(
                (sizes, epoch, first) =>
                {
                    var uninterrupted = Make(sizes);
                    List<long[]> expected = [];
                    for (var i = 0; i <= epoch; i++)
                    {
                        expected = [.. uninterrupted];
                    }

                    var positioned = Make(sizes);
                    positioned.Seek(epoch, first);
                    var given = positioned.ToList();
                    return Same(given, expected.Skip(first)) && Same(positioned, uninterrupted); // and the epoch after it
                }
            );

    [Test]
    public void Epochs_and_seeds_have_different_orders()
    {
        var orders =
            from seed in Enumerable.Range(0, 20)
            from epoch in Enumerable.Range(0, 20)
            select Order(seed, epoch);
        Assert.That(orders.Distinct(StringComparer.Ordinal).Count(), Is.EqualTo(400));

        static string Order(int seed, int epoch)
        {
            var batches = new ShuffledBatches<long[]>(30, 30, samples => samples, seed);
            batches.Seek(epoch, 0);
            return string.Join(' ', batches.Single());
        }
    }

    [Test]
    public void Every_place_is_as_likely_for_every_sample()
    {
        const int Samples = 6,
            Seeds = 6000;
        var counts = new int[Samples, Samples];
        for (var seed = 0; seed < Seeds; seed++)
        {
            var order = new ShuffledBatches<long[]>(Samples, Samples, samples => samples, seed).Single();
            for (var place = 0; place < Samples; place++)
            {
                counts[place, order[place]]++;
            }
        }

        // 1000 each, with a standard deviation of 29.
        Assert.That(counts.Cast<int>(), Is.All.InRange(850, 1150));
    }

    [Test]
    public void Without_shuffling_samples_come_in_their_order()
    {
        var batches = new ShuffledBatches<long[]>(5, 2, samples => samples, shuffle: false);
        for (var epoch = 0; epoch < 2; epoch++)
        {
            Assert.That(batches, Is.EqualTo(new long[][] { [0, 1], [2, 3], [4] }));
        }
    }

    [Test]
    public void A_batch_is_released_when_the_next_one_is_asked_for()
    {
        using var data = arange(6);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                List<Tensor> given = [];
                foreach (
                    var batch in new ShuffledBatches<(Tensor X, int Size)>(
                        6,
                        2,
                        samples => (Pick(data, samples), samples.Length)
                    )
                )
                {
                    Assert.That(given.TrueForAll(earlier => earlier.IsInvalid), Is.True);
                    Assert.That(batch.X.IsInvalid, Is.False);
                    given.Add(batch.X);
                }

                Assert.That(given.ConvertAll(batch => batch.IsInvalid), Is.EqualTo(new[] { true, true, true }));
            }
        );
    }

    [Test]
    public void A_batch_is_released_when_the_enumeration_is_broken_off()
    {
        using var data = arange(6);
        TensorCount.AssertChangedBy(
            0,
            () =>
                Assert.That(
                    new ShuffledBatches<Tensor>(6, 2, samples => Pick(data, samples)).First().IsInvalid,
                    Is.True
                )
        );
    }

    [Test]
    public void What_the_collation_makes_on_the_way_is_released()
    {
        using var data = arange(6);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                foreach (var batch in new ShuffledBatches<Tensor>(6, 2, samples => data[tensor(samples)] + 1))
                {
                    Assert.That(batch.IsInvalid, Is.False);
                }
            }
        );
    }

    [Test]
    public void A_tensor_of_the_data_set_is_not_released()
    {
        using var shared = ones(3);
        foreach (
            var (x, weights) in new ShuffledBatches<(Tensor X, Tensor Weights)>(
                4,
                2,
                samples => (tensor(samples), shared)
            )
        )
        {
            Assert.That(x.IsInvalid || weights.IsInvalid, Is.False);
        }

        Assert.That(shared.IsInvalid, Is.False);
    }

    [Test]
    public void A_batch_of_a_class_that_is_no_container_stays_alive()
    {
        using var scope = NewDisposeScope();
        foreach (var batch in new ShuffledBatches<Lazy<Tensor>>(4, 2, samples => new Lazy<Tensor>(tensor(samples))))
        {
            Assert.That(batch.Value.IsInvalid, Is.False);
            batch.Value.Dispose();
        }
    }

    [Test]
    public void A_collation_that_throws_leaves_no_tensor_behind()
    {
        var batches = new ShuffledBatches<Tensor>(
            4,
            2,
            samples => tensor(samples).sum() is null ? null! : throw new TimeoutException()
        );
        TensorCount.AssertChangedBy(0, () => Assert.That(() => batches.First(), Throws.InstanceOf<TimeoutException>()));
    }

    [TestCase(0, 1, "samples")]
    [TestCase(-3, 1, "samples")]
    [TestCase(1, 0, "batchSize")]
    [TestCase(1, -1, "batchSize")]
    public void Fewer_than_one_is_refused(int samples, int batchSize, string name) =>
        Assert.That(
            () => new ShuffledBatches<long[]>(samples, batchSize, indices => indices),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo(name)
        );

    [Test]
    public void No_batch_at_all_is_refused() =>
        Assert.That(
            () => new ShuffledBatches<long[]>(3, 4, indices => indices, dropLast: true),
            Throws
                .InstanceOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("3 samples do not fill one batch of 4, and dropLast leaves smaller ones out")
        );

    [Test]
    public void Other_arguments_that_cannot_be_are_refused()
    {
        Assert.That(() => new ShuffledBatches<long[]>(3, 4, null!), Throws.ArgumentNullException);
        var batches = new ShuffledBatches<long[]>(3, 4, indices => indices);
        Assert.That(() => batches.Seek(-1, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => batches.Seek(0, -1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static ShuffledBatches<long[]> Make((int Samples, int BatchSize, long Seed, bool DropLast) sizes) =>
        new(sizes.Samples, sizes.BatchSize, samples => samples, sizes.Seed, dropLast: sizes.DropLast);

    private static bool Same(IEnumerable<long[]> left, IEnumerable<long[]> right) =>
        left.Select(batch => string.Join(' ', batch))
            .SequenceEqual(right.Select(batch => string.Join(' ', batch)), StringComparer.Ordinal);

    private static Tensor Pick(Tensor data, long[] samples)
    {
        using var chosen = tensor(samples);
        return data.index_select(0, chosen);
    }
}
