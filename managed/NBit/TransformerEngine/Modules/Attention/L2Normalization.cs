using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>x / sqrt(sum(x^2) + eps) over the last dimension, in float32 and rounded once.</summary>
internal sealed class L2Normalization(double eps) : nn.Module<Tensor, Tensor>(nameof(L2Normalization))
{
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var wide = input.to(ScalarType.Float32);
        var inverse = wide.square().sum(-1, keepdim: true).add(eps).rsqrt();
        return (wide * inverse).to(input.dtype).MoveToOuterDisposeScope();
    }
}
