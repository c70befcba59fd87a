using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.Cli.Demo;

/// <summary>The scales and amaxes of a layer that multiplies in 8 bits, step by step.</summary>
internal sealed class ScaleHistory
{
    private readonly List<ScaleCurve> _curves = [new("input"), new("weight"), new("gradient")];

    /// <summary>Those of what the layer casts: its input, its weight and the gradient of its output.</summary>
    public IReadOnlyList<ScaleCurve> Curves => _curves;

    /// <summary>Notes what a layer has now, if it has scales.</summary>
    public void Add(nn.Module layer)
    {
        if (Float8.ScalesOf(layer) is { } scales)
        {
            _curves[0].Add(scales.Forward, slot: 0);
            _curves[1].Add(scales.Forward, slot: 1);
            _curves[2].Add(scales.Backward, slot: 0);
        }
    }
}

/// <summary>The scale and the amax of one tensor after each step.</summary>
/// <param name="Tensor">Which one.</param>
internal sealed record ScaleCurve(string Tensor)
{
    private readonly List<float> _scale = [];
    private readonly List<float> _amax = [];

    /// <summary>What it is multiplied with in the next step.</summary>
    public IReadOnlyList<float> Scale => _scale;

    /// <summary>Its largest magnitude in the step that ended.</summary>
    public IReadOnlyList<float> Amax => _amax;

    /// <summary>Notes the numbers of a step.</summary>
    public void Add(Float8DirectionScales scales, int slot)
    {
        _scale.Add(scales.Scale[slot]);
        _amax.Add(scales.Amax[slot]);
    }
}
