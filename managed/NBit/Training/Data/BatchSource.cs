using System.Reflection;
using NBit.Logging;

namespace NBit.Training.Data;

/// <summary>
/// Reads a data source for a loop: counts it where that is possible, positions it, and names its faults.
/// </summary>
/// <param name="source">The source.</param>
/// <param name="what">What it holds, for messages: training, validation, ...</param>
/// <param name="limit">The most batches to take.</param>
internal sealed class BatchSource<TBatch>(IEnumerable<TBatch> source, string what, int limit)
{
    private bool _begun;
    private int? _given; // batches of the last enumeration that was not broken off

    /// <summary>The number of batches in an enumeration, if it is known beforehand.</summary>
    public int? Count { get; } =
        KnownCount(source) is { } count ? Math.Min(count, limit)
        : limit == 0 ? 0
        : null;

    private string Name => $"the {what} source ({source.GetType().Name})";

    /// <summary>The batches of an epoch from one of them on, with their numbers.</summary>
    /// <param name="epoch">The epoch; null for a source that is the same in each.</param>
    /// <param name="first">The first batch to give.</param>
    /// <exception cref="DataSourceException">The source threw, or gave no batch.</exception>
    public IEnumerable<(TBatch Batch, int Index)> Read(int? epoch, int first)
    {
        var index = source is IRepositionable ? first : 0;
        using var batches = Guarded(() => Begin(epoch, first), epoch, index);
        for (; index < limit && Guarded(batches.MoveNext, epoch, index); index++)
        {
            if (index >= first)
            {
                yield return (Guarded(() => batches.Current, epoch, index), index);
            }
        }

        if (index < limit)
        {
            CheckEnd(epoch, index);
        }

        _given = index;
    }

    private static int? KnownCount(IEnumerable<TBatch> batches)
    {
        if (
            batches.TryGetNonEnumeratedCount(out var count)
            || (batches is IReadOnlyCollection<TBatch> collection && (count = collection.Count) >= 0)
        )
        {
            return count;
        }

        // TorchSharp's data loaders know their length, but implement no interface for it.
        var property = batches.GetType().GetProperty("Count", BindingFlags.Instance | BindingFlags.Public);
        return property?.PropertyType == typeof(long) ? (int)(long)property.GetValue(batches)! : null;
    }

    private IEnumerator<TBatch> Begin(int? epoch, int first)
    {
        if (source is IRepositionable repositionable)
        {
            repositionable.Seek(epoch ?? 0, first);
        }
        else if (first > 0 || (epoch > 0 && !_begun))
        {
            Log.Warning(
                $"{Name} cannot be repositioned: the run continues at epoch {epoch}, batch {first}, with "
                    + $"{(first > 0 ? $"its first {first} batches skipped" : "its first enumeration")}. The result is that of an uninterrupted run only if the "
                    + "source gives the same batches each time; use ShuffledBatches, or implement IRepositionable."
            );
        }

        _begun = true;
        return source.GetEnumerator();
    }

    private T Guarded<T>(Func<T> step, int? epoch, int index)
    {
        try
        {
            return step();
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new DataSourceException(
                $"{Name} threw at batch {index}{(epoch is null ? "" : $" of epoch {epoch}")}: {error.Message}",
                error
            );
        }
    }

    private void CheckEnd(int? epoch, int count)
    {
        var when = epoch is null ? "" : $" in epoch {epoch}";
        if (count == 0)
        {
            throw new DataSourceException(
                _given is > 0
                    ? $"{Name} gave no batch{when}, after {_given} the time before: it can be enumerated only once. Pass a "
                        + "source that starts again, e.g. a list, a DataLoader or ShuffledBatches."
                    : $"{Name} gave no batch"
            );
        }

        if ((_given ?? Count) is { } expected && count < expected)
        {
            Log.Warning($"{Name} ended early: {count} batches{when}, {expected} expected");
        }
    }
}
