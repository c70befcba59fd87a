using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Makes TorchSharp's embedding layers.</summary>
internal static class TokenEmbedding
{
    /// <summary>A layer of the default device and dtype, initialized as PyTorch's is.</summary>
    /// <remarks>
    /// <c>nn.Embedding</c> makes and fills a float32 weight on the CPU whatever the scope is, and its from_pretrained
    /// registers that one beside the weight that it uses: so it makes one element, which is then replaced.
    /// </remarks>
    public static Embedding Create(long count, long size)
    {
        var embedding = nn.Embedding(1, 1, device: CPU, dtype: float32); // as it is made: moving it would drop a tensor
        SetWeight(embedding, nn.Parameter(nn.init.normal_(empty(count, size))));
        return embedding;
    }

    /// <summary>Replaces the weight; the layer owns the new one.</summary>
    public static void SetWeight(Embedding embedding, Parameter weight)
    {
        embedding.get_parameter("weight")!.Dispose();
        embedding.weight = (Parameter)weight.DetachFromDisposeScope();
    }
}
