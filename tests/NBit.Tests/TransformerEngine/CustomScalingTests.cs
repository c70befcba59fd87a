using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Delayed scaling with functions of the user's.</summary>
public sealed class CustomScalingTests : DisposeScopeFixture
{
    private static Tensor Input(double size) => ones([4, 16], ScalarType.BFloat16) * size;

    private static float[] Train(DelayedScaling recipe, params double[] sizes)
    {
        using var layer = new TE.Linear(16, 8, dtype: ScalarType.BFloat16);
        foreach (var size in sizes)
        {
            Steps.Run(layer, Input(size), recipe);
        }

        return Steps.Numbers(Steps.StateOf(layer).Forward!.Scale);
    }

    [Test]
    public void A_function_computes_the_amax()
    {
        var recipe = new DelayedScaling(
            amaxHistoryLength: 4,
            amaxComputeAlgorithm: AmaxComputeAlgorithm.Custom(history => history.sum([0]))
        );
        Assert.That(Train(recipe, 1, 2, 4)[0], Is.EqualTo(64)); // 448 / (1 + 2 + 4)
    }

    [Test]
    public void A_function_computes_the_scale()
    {
        var seen = new List<(float Maximum, int Margin)>();
        var recipe = new DelayedScaling(
            margin: 3,
            amaxHistoryLength: 4,
            scaling: (amax, scale, maximum, own) =>
            {
                seen.Add((maximum, own.Margin));
                return scale * 2;
            }
        );
        Assert.That(Train(recipe, 1, 1), Is.EqualTo(new float[] { 4, 4, 4 }));
        Assert.That(
            seen,
            Is.EqualTo(new[] { (448f, 3), (57344f, 3), (448f, 3), (57344f, 3) }),
            "forward and backward, twice"
        );
    }

    [Test]
    public void The_rule_of_functions_is_Pythons()
    {
        // Every history moves on, the one of the output too, and the scale comes of a reciprocal.
        var recipe = new DelayedScaling(
            amaxHistoryLength: 2,
            amaxComputeAlgorithm: AmaxComputeAlgorithm.Custom(history => history.amax([0]))
        );
        Assert.That(Train(recipe, 3)[0], Is.EqualTo(1f / 3 * 448));
        Assert.That(Train(recipe, 3)[2], Is.EqualTo(1), "an amax of 0 keeps the scale");
    }

    private static readonly DelayedScaling[] Faulty =
    [
        new(amaxComputeAlgorithm: AmaxComputeAlgorithm.Custom(history => history.amax())),
        new(amaxComputeAlgorithm: AmaxComputeAlgorithm.Custom(history => history.amax([0]).to(ScalarType.Float64))),
        new(amaxComputeAlgorithm: AmaxComputeAlgorithm.Custom(_ => null!)),
        new(scaling: (_, scale, _, _) => scale * 0),
        new(scaling: (_, scale, _, _) => scale * float.NaN),
        new(scaling: (amax, _, maximum, _) => maximum / amax),
        new(scaling: (_, scale, _, _) => scale.view(1, -1)),
    ];

    [Test]
    public void A_function_that_gives_no_scales_is_refused([Range(0, 6)] int index)
    {
        using var layer = new TE.Linear(16, 8, dtype: ScalarType.BFloat16);
        var error = Assert.Throws<InvalidOperationException>(() => Steps.Forward(layer, Input(1), Faulty[index]));
        Assert.That(error!.Message, Does.Contain("function").And.Contain("give"));
        Assert.That(Steps.Numbers(Steps.StateOf(layer).Forward!.Scale), Is.All.EqualTo(1), "as before");
        Assert.That(Float8Region.Current, Is.Null);
    }
}
