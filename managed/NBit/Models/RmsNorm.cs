using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Models;

/// <summary>Divides by the root of the mean square, then scales (RMSNorm, arXiv 1910.07467).</summary>
/// <remarks>The norm is taken in float32 and rounded to the input's dtype before it is scaled, as in
/// transformers.</remarks>
internal sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    private const string WeightName = "weight";
    private readonly double _epsilon;

    [ComponentName(Name = WeightName)]
    private Parameter _weight;

    public RmsNorm(long size, double epsilon)
        : base(nameof(RmsNorm))
    {
        _epsilon = epsilon;
        _weight = (Parameter)nn.Parameter(nn.init.ones_(empty(size))).DetachFromDisposeScope();
    }

    public Parameter Weight
    {
        set
        {
            _weight.Dispose();
            _weight = value;
            ConditionallyRegisterParameter(WeightName, value);
        }
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var wide = input.to(ScalarType.Float32);
        var inverse = wide.square().mean([-1], keepdim: true).add(_epsilon).rsqrt();
        return (_weight * (wide * inverse).to(input.dtype)).MoveToOuterDisposeScope();
    }
}
