using System.Collections;
using NBit.Tensors;
using static TorchSharp.torch;

namespace NBit.Training.Data;

/// <summary>
/// Batches of a data set in an order that depends on a seed and the epoch alone, so that a run can be repeated and
/// resumed. A batch is released when the next one is asked for, or the enumeration ends: <c>First()</c> gives one that
/// is released already.
/// </summary>
/// <remarks>
/// What the collation makes on the way is released at once. Tensors of the data set itself may be in a batch: they are
/// not released.
/// </remarks>
/// <typeparam name="TBatch">A tensor, or a tuple, array, list, dictionary or record of tensors.</typeparam>
public sealed class ShuffledBatches<TBatch> : IReadOnlyCollection<TBatch>, IRepositionable
{
    private readonly int _samples,
        _batchSize;
    private readonly Func<long[], TBatch> _collate;
    private readonly ulong _seed;
    private readonly bool _shuffle;
    private int _epoch,
        _batch;

    /// <summary>Describes the batches.</summary>
    /// <param name="samples">The number of samples in the data set.</param>
    /// <param name="batchSize">The number of samples in a batch.</param>
    /// <param name="collate">Makes a new batch of the samples with these indices, e.g. <c>i => (x[torch.tensor(i)],
    /// y[torch.tensor(i)])</c>.</param>
    /// <param name="seed">Decides the order.</param>
    /// <param name="shuffle">False to take the samples in order.</param>
    /// <param name="dropLast">Whether a last batch with fewer samples is left out.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no sample, or no batch.</exception>
    public ShuffledBatches(
        int samples,
        int batchSize,
        Func<long[], TBatch> collate,
        long seed = 0,
        bool shuffle = true,
        bool dropLast = false
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(samples);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        ArgumentNullException.ThrowIfNull(collate);
        Count = dropLast ? samples / batchSize : ((samples - 1) / batchSize) + 1;
        if (Count == 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(batchSize),
                batchSize,
                $"{samples} samples do not fill one batch of {batchSize}, and dropLast leaves smaller ones out"
            );
        }

        (_samples, _batchSize, _collate, _seed, _shuffle) = (samples, batchSize, collate, (ulong)seed, shuffle);
    }

    /// <summary>The number of batches in an epoch.</summary>
    public int Count { get; }

    /// <inheritdoc />
    public void Seek(int epoch, int batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(epoch);
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        (_epoch, _batch) = (epoch, batch);
    }

    /// <summary>
    /// The batches of an epoch, from where <see cref="Seek" /> put it; without it, each enumeration is the next epoch.
    /// </summary>
    /// <returns>The batches.</returns>
    public IEnumerator<TBatch> GetEnumerator()
    {
        var (epoch, first) = (_epoch, _batch);
        Seek(epoch + 1, 0);
        return Enumerate(Order(epoch), first);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private IEnumerator<TBatch> Enumerate(long[] order, int first)
    {
        for (var i = first; i < Count; i++)
        {
            var (batch, made) = Collate(order[(i * _batchSize)..Math.Min(_samples, (i + 1) * _batchSize)]);
            try
            {
                yield return batch;
            }
            finally
            {
                made.ForEach(tensor => tensor.Dispose());
            }
        }
    }

    private (TBatch Batch, List<Tensor> Made) Collate(long[] samples)
    {
        using var scope = NewDisposeScope();
        var batch = _collate(samples);
        var tensors = TensorTree.Tensors(batch);
        var made = tensors.FindAll(scope.Contains);
        scope.Detach(tensors.Count > 0 ? made : scope.DisposablesView); // a class of tensors is left to itself
        return (batch, made);
    }

    // Fisher and Yates; the generator is SplitMix64, which needs no state but a counter and is the same everywhere.
    private long[] Order(int epoch)
    {
        var order = new long[_samples];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        var state = _seed + (0x9E3779B97F4A7C15UL * ((ulong)epoch << 32));
        for (var i = order.Length - 1; _shuffle && i > 0; i--)
        {
            var j = (int)Math.BigMul(Next(ref state), (ulong)(i + 1), out _);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    private static ulong Next(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
