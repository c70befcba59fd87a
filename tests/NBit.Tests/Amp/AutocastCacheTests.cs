using NBit.Amp;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Amp;

/// <summary>
/// The casts of weights that a region keeps. libtorch 2.10 hands out a cast made without grad where grad is on, and the
/// weight gets no gradient; NBit's regions must not. Whether a cast is shared is seen by changing the weight between
/// two uses.
/// </summary>
public sealed class AutocastCacheTests
{
    public enum Product
    {
        Linear,
        Conv2d,
        Matmul,
    }

    public enum Guard
    {
        NoGrad,
        SetGradEnabled,
        InferenceMode,
    }

    [Test]
    public void A_weight_that_was_used_without_grad_gets_its_gradient_in_the_same_region(
        [Values] Product product,
        [Values] Guard guard
    )
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        using var region = Region();
        using (Enter(guard))
        {
            Use(product, weight);
        }

        AssertTrains(product, weight);
    }

    [Test]
    public void A_weight_gets_its_gradient_where_grad_is_turned_on_in_a_region_that_began_without(
        [Values] Product product,
        [Values(Guard.NoGrad, Guard.SetGradEnabled)] Guard guard
    )
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        using var off = Enter(guard);
        using var region = Region();
        Use(product, weight);
        using (enable_grad())
        {
            AssertTrains(product, weight);
        }

        Assert.That(Use(product, weight).requires_grad, Is.False);
    }

    [Test]
    public void A_weight_gets_its_gradient_where_the_guard_around_the_region_ends_first(
        [Values] Product product,
        [Values] Guard guard
    )
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        var off = Enter(guard);
        using var region = Region();
        Use(product, weight);
        off.Dispose();
        AssertTrains(product, weight);
    }

    [Test]
    public void Grad_can_be_turned_off_and_on_in_any_depth([Values] Product product)
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        using var region = Region();
        using (no_grad())
        {
            Assert.That(Use(product, weight).requires_grad, Is.False);
            using (enable_grad())
            {
                AssertTrains(product, weight);
                using (no_grad())
                {
                    Assert.That(Use(product, weight).requires_grad, Is.False);
                }

                AssertTrains(product, weight);
            }

            Assert.That(Use(product, weight).requires_grad, Is.False);
        }

        AssertTrains(product, weight);
    }

    [Test]
    public void A_weight_gets_its_gradient_in_a_region_inside_one_that_used_it_without_grad(
        [Values] Product product,
        [Values] Guard guard
    )
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        using var outer = Region();
        using (Enter(guard))
        using (Region())
        {
            Use(product, weight);
        }

        using var inner = Region();
        AssertTrains(product, weight);
    }

    [Test]
    public void A_cast_made_with_grad_is_shared_before_and_after_a_section_without(
        [Values] Product product,
        [Values] Guard guard
    )
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        using var region = Region();
        AssertUses(product, weight, 1);
        Fill(weight, 3);
        using (Enter(guard))
        {
            AssertUses(product, weight, 3);
        }

        AssertUses(product, weight, 1);
        AssertTrains(product, weight);
    }

    [Test]
    public void A_region_that_began_without_grad_shares_casts_until_grad_is_turned_on([Values] Product product)
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        using var off = no_grad();
        using var region = Region();
        AssertUses(product, weight, 1);
        Fill(weight, 3);
        AssertUses(product, weight, 1);
        using var on = enable_grad();
        AssertUses(product, weight, 3);
        Fill(weight, 5);
        AssertUses(product, weight, 3);
    }

    [Test]
    public void Casts_are_kept_until_the_outermost_region_ends([Values] Product product)
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        using (Region())
        {
            AssertUses(product, weight, 1);
            Fill(weight, 3);
            using (Region())
            {
                AssertUses(product, weight, 1);
            }

            AssertUses(product, weight, 1);
        }

        using var next = Region();
        AssertUses(product, weight, 3);
    }

    [Test]
    public void No_cast_is_kept_with_the_cache_off([Values] Product product)
    {
        using var scope = NewDisposeScope();
        var weight = Weight(product);
        using var region = Region(cacheEnabled: false);
        AssertUses(product, weight, 1);
        Fill(weight, 3);
        AssertUses(product, weight, 3);
        using (no_grad())
        {
            AssertUses(product, weight, 3);
        }

        AssertTrains(product, weight);
    }

    private static Autocast Region(bool cacheEnabled = true) =>
        new(DeviceType.CPU, ScalarType.BFloat16, cacheEnabled: cacheEnabled);

    private static IDisposable Enter(Guard guard) =>
        guard switch
        {
            Guard.NoGrad => no_grad(),
            Guard.SetGradEnabled => set_grad_enabled(false),
            _ => inference_mode(),
        };

    private static Parameter Weight(Product product) =>
        new(
            ones(
                product switch
                {
                    Product.Linear => [6, 8],
                    Product.Conv2d => [6, 2, 2, 2],
                    _ => [8, 6],
                }
            )
        );

    private static void Fill(Tensor weight, float value)
    {
        using var off = no_grad();
        weight.fill_(value);
    }

    // Each element of the output is the sum of 8 weights.
    private static Tensor Use(Product product, Tensor weight) =>
        product switch
        {
            Product.Linear => nn.functional.linear(ones(4, 8), weight),
            Product.Conv2d => nn.functional.conv2d(ones(1, 2, 3, 3), weight),
            _ => matmul(ones(4, 8), weight),
        };

    private static void AssertUses(Product product, Tensor weight, float value)
    {
        var output = Use(product, weight);
        Assert.That(output.dtype, Is.EqualTo(ScalarType.BFloat16));
        Assert.That(output.Equals(full_like(output, 8 * value)), Is.True, $"the weight is used as {value}");
    }

    // With inputs of 1, each weight is used in 4 elements of the output.
    private static void AssertTrains(Product product, Parameter weight)
    {
        weight.grad = null;
        var output = Use(product, weight);
        Assert.That(output.requires_grad, Is.True);
        output.sum().backward(retain_graph: true); // the cast's node serves later uses in the region too
        Assert.That(weight.grad, Is.Not.Null);
        Assert.That(weight.grad!.Equals(full_like(weight, 4)), Is.True);
    }
}
