using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.Tests.TransformerEngine;

/// <summary>Training steps of single layers, and what they leave behind.</summary>
internal static class Steps
{
    public static readonly Float8Recipe[] Recipes =
    [
        new DelayedScaling(amaxHistoryLength: 4),
        new DelayedScaling(format: Float8Format.E4M3, amaxHistoryLength: 4),
        new Float8CurrentScaling(),
        new MXFP8BlockScaling(),
        new MXFP8BlockScaling(Float8Format.Hybrid, enable2DQuantization: true),
        new Float8BlockScaling(),
        new NVFP4BlockScaling(),
        new NVFP4BlockScaling(disable2DQuantization: true),
    ];

    public static Float8State StateOf(nn.Module layer) =>
        Float8States.Of(layer) ?? throw new InvalidOperationException("the layer keeps no scales");

    /// <summary>The forward pass in a region of its own.</summary>
    public static Tensor Forward(nn.Module<Tensor, Tensor> layer, Tensor x, Float8Recipe? recipe = null)
    {
        using (Float8.Autocast(recipe))
        {
            return layer.forward(x);
        }
    }

    /// <summary>A forward and a backward pass with numbers of a seed.</summary>
    public static Tensor Run(nn.Module<Tensor, Tensor> layer, Tensor x, Float8Recipe? recipe = null, double size = 0.01)
    {
        var y = Forward(layer, x, recipe);
        y.backward([randn_like(y) * size]);
        return y;
    }

    public static float[] Numbers(Tensor tensor) => tensor.to(ScalarType.Float32).contiguous().data<float>().ToArray();

    public static float[] Row(Tensor history, int row) => Numbers(history.select(0, row));
}
