using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>softmax(query @ key^T / sqrt(channels)) @ value by libtorch, in the dtype of its inputs.</summary>
internal static class DotProductAttention
{
    /// <summary>The attention of heads.</summary>
    /// <param name="query">[.., .., heads, channels], the first dimensions in the order of the format.</param>
    /// <param name="key">[.., .., groups, channels].</param>
    /// <param name="value">[.., .., groups, channels].</param>
    /// <param name="format">The order of the first dimensions.</param>
    /// <param name="maskType">What queries may attend to.</param>
    /// <param name="mask">bool, true for what takes no part; null where the type takes none.</param>
    /// <param name="dropout">The probability with which a weight is dropped.</param>
    /// <returns>[.., .., heads * channels].</returns>
    /// <exception cref="ArgumentException">The mask does not fit.</exception>
    public static Tensor Forward(
        Tensor query,
        Tensor key,
        Tensor value,
        SequenceFormat format,
        AttentionMaskType maskType,
        Tensor? mask,
        double dropout
    )
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = (ByHead(query, format), ByHead(key, format), ByHead(value, format));
        var perGroup = q.shape[1] / k.shape[1];
        if (perGroup > 1)
        {
            (k, v) = (k.repeat_interleave(perGroup, 1), v.repeat_interleave(perGroup, 1));
        }

        long[] scores = [q.shape[0], q.shape[1], q.shape[2], k.shape[2]];
        CheckMask(maskType, mask, scores);
        var output = nn.functional.scaled_dot_product_attention(
            q,
            k,
            v,
            Allowed(maskType, mask, scores),
            dropout,
            is_casual: maskType == AttentionMaskType.Causal
        );
        var ordered = format == SequenceFormat.Sbhd ? output.permute(2, 0, 1, 3) : output.transpose(1, 2);
        return ordered.flatten(-2).MoveToOuterDisposeScope();
    }

    /// <exception cref="ArgumentException">A mask is given or missing against its type, is not bool, or does not
    /// broadcast.</exception>
    public static void CheckMask(AttentionMaskType maskType, Tensor? mask, long[] scores)
    {
        var takesMask = maskType is not (AttentionMaskType.Causal or AttentionMaskType.NoMask);
        if (takesMask != mask is not null)
        {
            throw new ArgumentException(
                takesMask
                    ? $"attention of the mask type {maskType} needs an attention mask"
                    : $"attention of the mask type {maskType} takes no attention mask; use Padding or Arbitrary",
                nameof(mask)
            );
        }

        if (mask is null)
        {
            return;
        }

        if (mask.dtype != ScalarType.Bool)
        {
            throw new ArgumentException(
                $"Attention mask must be a boolean tensor, true for what takes no part; it is {mask.dtype}",
                nameof(mask)
            );
        }

        var tail = scores[^Math.Min(4, (int)mask.dim())..];
        if (mask.dim() > 4 || mask.shape.Zip(tail).Any(pair => pair.First != 1 && pair.First != pair.Second))
        {
            throw new ArgumentException(
                $"the attention mask is [{string.Join(", ", mask.shape)}]; it must broadcast to [batch, heads, "
                    + $"queries, keys], here [{string.Join(", ", scores)}]",
                nameof(mask)
            );
        }
    }

    private static Tensor ByHead(Tensor heads, SequenceFormat format) =>
        format == SequenceFormat.Sbhd ? heads.permute(1, 2, 0, 3) : heads.transpose(1, 2);

    private static Tensor? Allowed(AttentionMaskType maskType, Tensor? mask, long[] scores)
    {
        var allowed = mask?.logical_not();
        return maskType == AttentionMaskType.PaddingCausal
            ? allowed!.logical_and(ones([scores[2], scores[3]], ScalarType.Bool).tril())
            : allowed;
    }
}
