using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>The keys and values of the tokens that a model has seen, so that each token goes through it once.</summary>
/// <remarks>
/// Per layer two tensors [batch, key and value heads, capacity, head size], whose capacity doubles. Gradients do not
/// flow through it. It belongs to one text (or one batch of them); not for several threads at once.
/// </remarks>
/// <param name="config">The model that it is for.</param>
public sealed class KeyValueCache(LlamaConfig config) : IDisposable
{
    private const long FirstCapacity = 64;

    private readonly Tensor?[] _keys = new Tensor?[config.Layers];
    private readonly Tensor?[] _values = new Tensor?[config.Layers];

    /// <summary>The number of tokens that it holds, which is the position of the next one.</summary>
    public long Length { get; private set; }

    /// <summary>Forgets the tokens from a position on; the memory stays.</summary>
    /// <param name="length">The number of tokens to keep.</param>
    /// <exception cref="ArgumentOutOfRangeException">It does not hold as many.</exception>
    public void Truncate(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        Length = length;
    }

    /// <summary>Releases the tensors; it is empty then and can be used again.</summary>
    public void Dispose()
    {
        foreach (var tensor in _keys.Concat(_values))
        {
            tensor?.Dispose();
        }

        Array.Clear(_keys);
        Array.Clear(_values);
        Length = 0;
    }

    /// <summary>Adds the new tokens' keys and values of a layer behind those that are there.</summary>
    /// <remarks><see cref="Length" /> stays until <see cref="Advance" />: all layers write at the same place.</remarks>
    /// <returns>Views of all keys and values, [batch, heads, Length + new ones, head size].</returns>
    internal (Tensor Keys, Tensor Values) Append(int layer, Tensor keys, Tensor values) =>
        (Append(ref _keys[layer], keys), Append(ref _values[layer], values));

    /// <summary>Counts tokens that every layer has added.</summary>
    internal void Advance(long count) => Length += count;

    private Tensor Append(ref Tensor? held, Tensor added)
    {
        using var grad = no_grad();
        var (batch, heads, count, size) = (added.shape[0], added.shape[1], added.shape[2], added.shape[3]);
        if (held is not null && held.shape[0] != batch)
        {
            throw new ArgumentException(
                $"the cache holds {held.shape[0]} texts; {batch} were given: use a cache of their own"
            );
        }

        if (held is null || held.shape[2] < Length + count)
        {
            var capacity = Math.Max(FirstCapacity, Math.Max(2 * (held?.shape[2] ?? 0), Length + count));
            var grown = empty([batch, heads, capacity, size], added.dtype, added.device).DetachFromDisposeScope();
            if (held is not null)
            {
                grown.narrow(2, 0, Length).copy_(held.narrow(2, 0, Length));
                held.Dispose();
            }

            held = grown;
        }

        held.narrow(2, Length, count).copy_(added);
        return held.narrow(2, 0, Length + count);
    }
}
