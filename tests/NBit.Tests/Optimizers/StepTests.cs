using NBit.Optimizers;
using NBit.Tests.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Optimizers;

/// <summary>What a step does to unusual parameters and gradients.</summary>
public sealed class StepTests : DisposeScopeFixture
{
    private static readonly ScalarType[] Dtypes = [ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16];

    [Test]
    public void A_step_changes_the_parameter_and_makes_its_state(
        [ValueSource(typeof(Family), nameof(Family.Names))] string name,
        [ValueSource(nameof(Dtypes))] ScalarType dtype
    )
    {
        var parameter = Family.Parameter(dtype, 64, 64);
        using var optimizer = Family.Make(name, [parameter], null);
        Assert.That(optimizer.NamedStates(), Is.Empty, "states are made at the first step");
        var before = Family.Bytes(parameter);
        optimizer.step();
        Assert.That(Family.Bytes(parameter), Is.Not.EqualTo(before));
        Assert.That(
            optimizer.NamedStates()[0].Tensor.dtype,
            Is.EqualTo(name.EndsWith("8bit", StringComparison.Ordinal) ? ScalarType.Byte : ScalarType.Float32)
        );
        Assert.That(parameter.isfinite().all().item<bool>(), Is.True);
    }

    [TestCase(4095, null, ScalarType.Float32)]
    [TestCase(4096, null, ScalarType.Byte)]
    [TestCase(100, 100L, ScalarType.Byte)]
    [TestCase(99, 100L, ScalarType.Float32)]
    public void Small_parameters_have_32_bit_states(long count, long? min8bitSize, ScalarType expected)
    {
        using var optimizer = new Adam8bit(
            [Family.Parameter(ScalarType.Float32, count)],
            settings: new() { Min8bitSize = min8bitSize }
        );
        optimizer.step();
        Assert.That(optimizer.NamedStates()[0].Tensor.dtype, Is.EqualTo(expected));
    }

    [Test]
    public void Bits_of_the_plain_class_are_an_argument([Values(8, 32)] int bits)
    {
        var (plain, named) = (Parameters(), Parameters());
        using NBitOptimizer first = new AdamNBit(plain, optimBits: bits),
            second = bits == 8 ? new Adam8bit(named) : new Adam32bit(named);
        first.step();
        second.step();
        Assert.That(Family.Bits(first), Is.EqualTo(Family.Bits(second)));

        static Parameter[] Parameters()
        {
            manual_seed(1);
            return [Family.Parameter(ScalarType.Float32, 4096)];
        }
    }

    [Test]
    public void A_parameter_without_gradient_and_an_empty_one_are_left_alone(
        [ValueSource(typeof(Family), nameof(Family.Names))] string name
    )
    {
        Parameter idle = new(randn(5000)),
            empty = Family.Parameter(ScalarType.Float32, 0, 3),
            moving = Family.Parameter(ScalarType.Float32, 5000);
        using var optimizer = Family.Make(name, [idle, empty, moving], null);
        var before = Family.Bytes(idle);
        optimizer.step();
        Assert.That(Family.Bytes(idle), Is.EqualTo(before));
        Assert.That(optimizer.NamedStates().Select(state => state.Name), Is.All.StartsWith("2."));

        idle.grad = randn(5000); // its first step, and the other's second one
        optimizer.step();
        Assert.That(Family.Bytes(idle), Is.Not.EqualTo(before));
    }

    [Test]
    public void Steps_of_a_parameter_count_from_its_first_gradient()
    {
        manual_seed(1);
        Parameter late = Family.Parameter(ScalarType.Float32, 100),
            alone = new(late.detach().clone()) { grad = late.grad!.clone() },
            other = Family.Parameter(ScalarType.Float32, 100);
        using var optimizer = new Adam8bit([late, other]);
        var gradient = late.grad!;
        late.grad = null;
        optimizer.step();
        late.grad = gradient;
        optimizer.step();
        using var reference = new Adam8bit([alone]);
        reference.step();
        Assert.That(Family.Bytes(late), Is.EqualTo(Family.Bytes(alone)));
    }

    [Test]
    public void A_gradient_that_is_not_finite_shows_in_32_bits(
        [Values("Adam32bit", "SGD32bit", "RMSprop32bit")] string name,
        [Values(float.NaN, float.PositiveInfinity)] float value
    )
    {
        var parameter = Family.Parameter(ScalarType.Float32, 5000);
        parameter.grad![7] = value;
        using var optimizer = Family.Make(name, [parameter], null);
        optimizer.step();
        Assert.That(float.IsFinite(parameter[7].item<float>()), Is.False);
        parameter.requires_grad = false;
        parameter[7] = 0;
        Assert.That(parameter.isfinite().all().item<bool>(), Is.True, "the other elements");
    }

    [Test]
    public void An_element_whose_gradient_is_not_finite_is_left_alone_in_8_bits(
        [ValueSource(typeof(Family), nameof(Family.NamesIn8Bits))] string name,
        [Values(float.NaN, float.NegativeInfinity)] float value
    )
    {
        // LAMB and LARS: a norm that is NaN does not limit, the element itself is left alone all the same
        var parameter = Family.Parameter(ScalarType.Float32, 5000);
        parameter.grad![7] = value;
        var before = parameter[7].item<float>();
        using var optimizer = Family.Make(name, [parameter], null);
        optimizer.step();
        Assert.That(parameter[7].item<float>(), Is.EqualTo(before));
        Assert.That(parameter.isfinite().all().item<bool>(), Is.True);
    }

    [Test]
    public void Tensors_that_are_not_contiguous_step_as_those_that_are(
        [ValueSource(typeof(Family), nameof(Family.Names))] string name
    )
    {
        manual_seed(1);
        Tensor numbers = randn(70, 80),
            gradients = randn(70, 80);
        Parameter plain = new(numbers.clone()) { grad = gradients.clone() },
            turned = new(numbers.t().contiguous().t()) { grad = gradients.t().contiguous().t() };
        Assert.That((turned.is_contiguous(), turned.grad!.is_contiguous()), Is.EqualTo((false, false)));
        using NBitOptimizer first = Family.Make(name, [plain], null),
            second = Family.Make(name, [turned], null);
        for (var step = 0; step < 3; step++)
        {
            first.step();
            second.step();
        }

        Assert.That(Family.Bits(second), Is.EqualTo(Family.Bits(first)));
        Assert.That(turned.is_contiguous(), Is.False);
    }

    [Test]
    public void Mixed_dtypes_and_sizes_step_as_they_do_alone()
    {
        manual_seed(1);
        Parameter[] together =
        [
            .. from dtype in Dtypes from count in new long[] { 1, 300, 4099 } select Family.Parameter(dtype, count),
        ];
        Parameter[] alone = [.. together.Select(p => new Parameter(p.detach().clone()) { grad = p.grad!.clone() })];
        using var optimizer = new Adam8bit(together);
        using var scope = NewDisposeScope();
        NBitOptimizer[] singles = [.. alone.Select(parameter => new Adam8bit([parameter]))];
        for (var step = 0; step < 3; step++)
        {
            optimizer.step();
            Array.ForEach(singles, single => single.step());
        }

        Assert.That(together.Select(Family.Bytes), Is.EqualTo(alone.Select(Family.Bytes)));
        Array.ForEach(singles, single => single.Dispose());
    }

    [Test]
    public void Elements_without_gradient_are_skipped_where_that_is_asked_for([Values] bool skips)
    {
        var parameter = Family.Parameter(ScalarType.Float32, 5000);
        using var optimizer = new Adam8bit([parameter], weightDecay: 0.1, settings: new() { SkipZeros = skips });
        optimizer.step();
        parameter.grad![3] = 0;
        var before = parameter[3].item<float>();
        optimizer.step();
        Assert.That(parameter[3].item<float>(), skips ? Is.EqualTo(before) : Is.Not.EqualTo(before));
    }

    [Test]
    public void An_update_is_not_larger_than_its_limit()
    {
        var parameter = Family.Parameter(ScalarType.Float32, 5000);
        var before = parameter.detach().clone();
        using var optimizer = new Adam32bit([parameter], lr: 1, settings: new() { MaxUnorm = 0.01 });
        optimizer.step();
        var update = (parameter.detach() - before).norm().item<float>() / before.norm().item<float>();
        Assert.That(update, Is.EqualTo(0.01).Within(1e-5));
    }

    [Test]
    public void Rounding_up_or_down_keeps_updates_that_rounding_to_nearest_loses()
    {
        // A step of 1e-3 from 1 is less than half a unit in bfloat16's last place, 2^-8.
        Parameter Ones() =>
            new(ones(4096, dtype: ScalarType.BFloat16)) { grad = ones(4096, dtype: ScalarType.BFloat16) };
        Parameter nearest = Ones(),
            random = Ones();
        using NBitOptimizer first = new Adam8bit([nearest], lr: 1e-3),
            second = new Adam8bit([random], lr: 1e-3, settings: new() { RoundingSeed = 1 });
        for (var step = 0; step < 10; step++)
        {
            first.step();
            second.step();
        }

        Assert.That(nearest.eq(1).all().item<bool>(), Is.True);
        // 4096 elements, each a random walk of steps of 2^-8 with mean 10e-3: standard error 1e-4
        Assert.That(random.to(ScalarType.Float32).mean().item<float>(), Is.EqualTo(0.99).Within(5e-4));
    }

    [Test]
    public void Other_seeds_round_otherwise_and_equal_ones_alike()
    {
        byte[] Run(ulong seed)
        {
            var parameter = new Parameter(ones(4096, dtype: ScalarType.BFloat16))
            {
                grad = ones(4096, dtype: ScalarType.BFloat16),
            };
            using var optimizer = new Lion8bit([parameter], settings: new() { RoundingSeed = seed });
            optimizer.step();
            return Family.Bytes(parameter);
        }

        var first = Run(1);
        Assert.That(Run(1), Is.EqualTo(first));
        Assert.That(Run(2), Is.Not.EqualTo(first));
    }

    [Test]
    public void A_closure_computes_the_loss_with_gradients()
    {
        var parameter = new Parameter(ones(3));
        using var optimizer = new Adam8bit([parameter], lr: 0.1);
        Tensor? loss;
        using (no_grad())
        {
            loss = optimizer.step(() =>
            {
                optimizer.zero_grad();
                var value = (parameter * parameter).sum();
                value.backward();
                return value;
            });
        }

        Assert.That(loss!.item<float>(), Is.EqualTo(3));
        Assert.That(parameter[0].item<float>(), Is.EqualTo(0.9).Within(1e-6));
    }

    [Test]
    public void Gradients_add_up_until_they_are_cleared()
    {
        var parameter = new Parameter(ones(3));
        using var optimizer = new SGD8bit([parameter], lr: 1, momentum: 0.5);
        (parameter * 2).sum().backward();
        (parameter * 3).sum().backward();
        optimizer.step();
        Assert.That(parameter[0].item<float>(), Is.EqualTo(-4));
        optimizer.zero_grad();
        Assert.That(parameter.grad!.eq(0).all().item<bool>(), Is.True);
    }
}
