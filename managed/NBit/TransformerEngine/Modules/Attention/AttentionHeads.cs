using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>The heads of an attention layer.</summary>
/// <param name="Count">The heads of queries.</param>
/// <param name="Groups">The heads of keys and values.</param>
/// <param name="Channels">The features of a head.</param>
internal sealed record AttentionHeads(long Count, long Groups, long Channels)
{
    /// <summary>The features of all queries.</summary>
    public long QuerySize => Count * Channels;

    /// <summary>The features of all keys, or of all values.</summary>
    public long KeySize => Groups * Channels;

    /// <summary>The heads of queries that share a key and a value.</summary>
    public long PerGroup => Count / Groups;

    /// <exception cref="ArgumentException">Heads do not make up the hidden size, or groups the heads.</exception>
    public static AttentionHeads Of(long hiddenSize, long count, AttentionOptions options)
    {
        OptionChecks.Size(hiddenSize);
        OptionChecks.Size(count);
        if (options.KvChannels is null && hiddenSize % count != 0)
        {
            throw new ArgumentException(
                $"{hiddenSize} hidden features are not divisible by {count} heads; change one, or set KvChannels",
                nameof(count)
            );
        }

        var groups = options.GqaGroupCount ?? count;
        if (groups < 1 || count % groups != 0)
        {
            throw new ArgumentException(
                $"The number of attention heads must be divisible by the number of GQA groups! {count} heads are not "
                    + $"by {groups} groups",
                nameof(options)
            );
        }

        var channels = options.KvChannels ?? hiddenSize / count;
        return new(count, groups, OptionChecks.Size(channels));
    }

    /// <summary>Features as heads: [.., heads * channels] as [.., heads, channels].</summary>
    public Tensor Split(Tensor features) => features.reshape([.. features.shape[..^1], -1, Channels]);
}
