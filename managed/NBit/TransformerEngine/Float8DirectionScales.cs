using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>The scales of the tensors of a module in one direction.</summary>
/// <param name="Scale">What each tensor is multiplied with before it is cast.</param>
/// <param name="Amax">The amax of each tensor in the last step that ended; 0 before the first one.</param>
public sealed record Float8DirectionScales(IReadOnlyList<float> Scale, IReadOnlyList<float> Amax)
{
    internal static Float8DirectionScales Of(DelayedScales scales)
    {
        using var scope = NewDisposeScope();
        return new([.. scales.Scale.data<float>()], [.. scales.AmaxHistory.select(0, -1).contiguous().data<float>()]);
    }
}
