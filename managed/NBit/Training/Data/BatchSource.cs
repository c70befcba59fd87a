using System.Reflection;
using NBit.Logging;

namespace NBit.Training.Data;

/// <summary>Reads a data source for a loop: counts it where that is possible, positions it, and names its faults.</summary>
/// <param name="source">The source.</param>
/// <param name="what">What it holds, for messages: training, validation, ...</param>
/// <param name="limit">The most batches to take.</param>
internal sealed class BatchSource<TBatch>(IEnumerable<TBatch> source, string what, int limit)
{
    private int? _given; // batches of the last complete enumeration

    /// <summary>The number of batches in an enumeration, if it is known beforehand.</summary>
    public int? Count { get; } = KnownCount(source) is { } count ? Math.Min(count, limit) : limit == 0 ? 0 : null;

    /// <summary>The batches of an epoch from one of them on, with their numbers.</summary>
    /// <exception cref="DataSourceException">The source threw, or gave no batch where it gave some before.</exception>
    public IEnumerable<(TBatch Batch, int Index)> Read(int epoch, int first)
    {
        using var batches = Begin(epoch, first);
        var index = batches.Skipped;
        for (; index < limit && MoveNext(batches.Enumerator, epoch, index); index++)
        {
            if (index >= first)
            {
                yield return (batches.Enumerator.Current, index);
            }
        }

        if (index < limit)
        {
            CheckEnd(epoch, index);
        }
    }

    private static int? KnownCount(IEnumerable<TBatch> batches)
    {
        if (batches.TryGetNonEnumeratedCount(out var count) || (batches is IReadOnlyCollection<TBatch> collection && (count = collection.Count) >= 0))
        {
            return count;
        }

        // TorchSharp's data loaders know their length, but implement no interface for it.
        var property = batches.GetType().GetProperty("Count", BindingFlags.Instance | BindingFlags.Public);
        return property?.PropertyType == typeof(long) ? (int)(long)property.GetValue(batches)! : null;
    }

    private Enumeration Begin(int epoch, int first)
    {
        if (source is IRepositionable repositionable)
        {
            repositionable.Seek(epoch, first);
            return new Enumeration(source.GetEnumerator(), first);
        }

        if (first > 0 || (epoch > 0 && _given is null))
        {
            Log.Warning($"the {what} source ({source.GetType().Name}) cannot be repositioned: the run continues at epoch {epoch}, batch {first}, with "
                + $"{(first > 0 ? $"its first {first} batches skipped" : "its first enumeration")}. The result is that of an uninterrupted run only if the "
                + "source gives the same batches each time; use ShuffledBatches, or implement IRepositionable.");
        }

        return new Enumeration(source.GetEnumerator(), 0);
    }

    private bool MoveNext(IEnumerator<TBatch> enumerator, int epoch, int index)
    {
        try
        {
            return enumerator.MoveNext();
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            throw new DataSourceException($"the {what} source ({source.GetType().Name}) threw at batch {index} of epoch {epoch}: {error.Message}", error);
        }
    }

    private void CheckEnd(int epoch, int count)
    {
        if (count == 0)
        {
            throw new DataSourceException(_given is { } before
                ? $"the {what} source ({source.GetType().Name}) gave no batch in epoch {epoch}, after {before} in the epoch before: it can be enumerated "
                  + "only once. Pass a source that starts again, e.g. a list, a DataLoader or ShuffledBatches."
                : $"the {what} source ({source.GetType().Name}) gave no batch");
        }

        if ((_given ?? Count) is { } expected && count < expected)
        {
            Log.Warning($"the {what} source ({source.GetType().Name}) ended early: {count} batches in epoch {epoch}, {expected} expected");
        }

        _given = count;
    }

    private readonly record struct Enumeration(IEnumerator<TBatch> Enumerator, int Skipped) : IDisposable
    {
        public void Dispose() => Enumerator.Dispose();
    }
}
