using NBit.Tests.Training;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.TransformerEngine;

/// <summary>Activation recomputation casts the second time as the first.</summary>
public sealed class CheckpointTests : DisposeScopeFixture
{
    private static readonly Float8Recipe[] Recipes =
    [
        new DelayedScaling(amaxHistoryLength: 4),
        new Float8CurrentScaling(),
    ];

    [Test]
    public void A_checkpointed_function_trains_as_it_does_without(
        [ValueSource(nameof(Recipes))] Float8Recipe recipe,
        [Values] bool inputRequiresGrad
    )
    {
        var plain = Train(recipe, inputRequiresGrad, checkpoints: false);
        Assert.That(Train(recipe, inputRequiresGrad, checkpoints: true), Is.EqualTo(plain));
    }

    [Test]
    public void Nothing_is_kept_and_nothing_left_behind()
    {
        using var layer = new TE.Linear(16, 8);
        var x = randn(4, 16).requires_grad_();
        Once();
        TensorCount.AssertChangedBy(0, Once);

        void Once()
        {
            using var scope = NewDisposeScope();
            var before = Float8.BytesKeptForBackward;
            Tensor y;
            using (Float8.Autocast())
            {
                y = Float8.Checkpoint(layer.forward, x);
            }

            Assert.That(Float8.BytesKeptForBackward, Is.EqualTo(before));
            y.backward([ones_like(y)]);
        }
    }

    [Test]
    public void Under_no_grad_it_is_the_function()
    {
        using var grad = no_grad();
        var x = ones(2);
        Assert.That(Float8.Checkpoint(input => input, x), Is.SameAs(x));
    }

    // Weights, gradients of the input and scales of three steps; dropout draws the same numbers again.
    private static List<float> Train(Float8Recipe recipe, bool inputRequiresGrad, bool checkpoints)
    {
        manual_seed(5);
        using TE.Linear first = new(16, 32, dtype: ScalarType.BFloat16),
            second = new(32, 32, dtype: ScalarType.BFloat16),
            last = new(32, 8, dtype: ScalarType.BFloat16);
        var seen = new List<float>();
        for (var step = 0; step < 3; step++)
        {
            var x = randn([6, 16], ScalarType.BFloat16).requires_grad_(inputRequiresGrad);
            Tensor y;
            using (Float8.Autocast(recipe))
            {
                y = last.forward(checkpoints ? Float8.Checkpoint(Inner, x) : Inner(x));
            }

            y.backward([randn_like(y)]);
            using var grad = no_grad();
            foreach (var parameter in new[] { first, second, last }.SelectMany(layer => layer.parameters()))
            {
                parameter.sub_(parameter.grad! * 0.01);
                seen.AddRange(Steps.Numbers(parameter));
                parameter.grad = null;
            }

            seen.AddRange(inputRequiresGrad ? Steps.Numbers(x.grad!) : []);
            foreach (var scales in new[] { first, second, last }.Select(Steps.StateOf))
            {
                seen.AddRange(scales.Forward is { } forward ? Steps.Numbers(forward.AmaxHistory) : []);
                seen.AddRange(scales.Backward is { } backward ? Steps.Numbers(backward.Scale) : []);
            }
        }

        return seen;

        Tensor Inner(Tensor input) =>
            second.forward(nn.functional.dropout(nn.functional.relu(first.forward(input)), 0.25));
    }
}
