using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Makes TorchSharp's embedding layers.</summary>
internal static class TokenEmbedding
{
    /// <summary>A layer of the default device and dtype, initialized as PyTorch's is.</summary>
    /// <remarks>
    /// <c>nn.Embedding</c> itself makes a float32 weight on the CPU and fills it, whatever the scope is.
    /// </remarks>
    public static Embedding Create(long count, long size)
    {
        using var weight = nn.init.normal_(empty(count, size));
        var embedding = nn.Embedding_from_pretrained(weight, freeze: false);
        _ = embedding.get_parameter("weight")!.DetachFromDisposeScope(); // as TorchSharp's other layers do
        return embedding;
    }
}
