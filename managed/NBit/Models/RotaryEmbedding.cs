using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Turns pairs of a head's elements by angles that grow with the position (RoPE, arXiv 2104.09864).</summary>
internal sealed class RotaryEmbedding(LlamaConfig config)
{
    private readonly float[] _frequencies = config.Rotary.Frequencies(config.HeadSize);

    /// <summary>The turns of some positions.</summary>
    /// <param name="start">The first position.</param>
    /// <param name="count">The number of positions.</param>
    /// <param name="like">Gives the dtype and device; the angles are taken in float32.</param>
    public Rotation At(long start, long count, Tensor like)
    {
        var frequencies = tensor(_frequencies, device: like.device);
        var positions = arange(start, start + count, ScalarType.Float32, like.device);
        var angles = positions.unsqueeze(1) * frequencies;
        var both = cat([angles, angles], 1);
        return new(both.cos().to(like.dtype), both.sin().to(like.dtype));
    }
}

/// <summary>Cosines and sines by position and element, [positions, head size].</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Rotation(Tensor Cosine, Tensor Sine)
{
    /// <summary>Turns element i with element i + size / 2: transformers' order of the pairs.</summary>
    /// <param name="heads">[..., positions, head size].</param>
    public Tensor Apply(Tensor heads)
    {
        var halves = heads.chunk(2, -1);
        return (heads * Cosine) + (cat([-halves[1], halves[0]], -1) * Sine);
    }
}
