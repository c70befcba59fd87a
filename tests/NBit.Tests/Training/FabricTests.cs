using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

public sealed class FabricTests
{
    [Test]
    public void A_step_leaves_its_results_alone_alive([ValueSource(typeof(Modes), nameof(Modes.All))] string mode)
    {
        using var fabric = Modes.MakeFabric(mode);
        using var model = nn.Linear(4, 2);
        using var plain = optim.SGD(model.parameters(), 0.1);
        var (net, optimizer) = fabric.Setup(model, plain);
        using var x = ones(3, 4);
        using (var first = net.forward(x).sum())
        {
            fabric.Backward(first); // the scaler makes its own two tensors
        }

        foreach (var (clipValue, maxNorm) in ((double?, double?)[])[(0.5, null), (null, 1)])
        {
            Tensor y = null!,
                loss = null!;
            AssertMakes(1, () => y = net.forward(x));
            AssertMakes(1, () => loss = y.sum());
            AssertMakes(0, optimizer.zero_grad);
            AssertMakes(0, () => fabric.Backward(loss));
            AssertMakes(
                0,
                () =>
                {
                    fabric.ClipGradients(optimizer, clipValue, maxNorm); // what it finds, the scaler keeps until the step
                    optimizer.step();
                }
            );
            loss.Dispose();
            y.Dispose();
        }
    }

    [Test]
    public void A_forward_that_throws_leaves_no_tensor_behind(
        [ValueSource(typeof(Modes), nameof(Modes.All))] string mode
    )
    {
        using var fabric = Modes.MakeFabric(mode);
        using var model = new Model(x => throw new TimeoutException($"{x.dtype}"));
        var net = fabric.Setup(model);
        using var x = ones(3, 4, ScalarType.Float32);
        TensorCount.AssertChangedBy(0, () => Assert.That(() => net.forward(x), Throws.InstanceOf<TimeoutException>()));
        Assert.That(get_default_dtype(), Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void A_model_may_return_its_argument([ValueSource(typeof(Modes), nameof(Modes.All))] string mode)
    {
        using var fabric = Modes.MakeFabric(mode);
        using var model = new Model(x => x);
        var net = fabric.Setup(model);
        using var x = ones(3, 4);
        using (var y = net.forward(x))
        {
            Assert.That(y.dtype, Is.EqualTo(ScalarType.Float32));
            Assert.That(y.sum().item<float>(), Is.EqualTo(12));
        }
    }

    [Test]
    public void A_model_may_return_its_own_tensors(
        [ValueSource(typeof(Modes), nameof(Modes.All))] string mode,
        [Values("weight", "persistent", "transient")] string name
    )
    {
        using var fabric = Modes.MakeFabric(mode);
        using var model = new Model(_ => null!);
        model.Forward = _ => model.Own(name);
        var net = fabric.Setup(model);
        using var x = ones(3, 4);
        for (var repetition = 0; repetition < 2; repetition++)
        {
            var y = net.forward(x);
            Assert.That(y.dtype, Is.EqualTo(ScalarType.Float32));
            Assert.That(model.Own(name).IsInvalid, Is.False, "the model's own tensor is alive");
        }
    }

    [TestCase("64-true", ScalarType.Float64)]
    [TestCase("bf16-true", ScalarType.BFloat16)]
    [TestCase("16-true", ScalarType.Float16)]
    public void Setup_converts_buffers_that_are_not_persistent(string mode, ScalarType expected)
    {
        using var fabric = Modes.MakeFabric(mode);
        using var model = new Model(x => x);
        var before = model.Own("transient");
        fabric.Setup(model);
        Assert.That(model.Own("transient"), Is.SameAs(before));
        Assert.That(before.dtype, Is.EqualTo(expected));
    }

    [Test]
    public void Setup_leaves_no_tensor_behind(
        [ValueSource(typeof(Modes), nameof(Modes.All))] string mode,
        [ValueSource(typeof(Optimizers), nameof(Optimizers.Names))] string name
    )
    {
        using var fabric = Modes.MakeFabric(mode);
        using var model = nn.Linear(4, 2);
        using var optimizer = WithEpsilonForHalf(mode, Optimizers.All[name](model.parameters()));
        TensorCount.AssertChangedBy(0, () => fabric.Setup(model, optimizer));
    }

    [TestCase("64-true", ScalarType.Float64)]
    [TestCase("bf16-true", ScalarType.BFloat16)]
    public void The_state_of_an_optimizer_that_has_not_stepped_gets_the_dtype_of_its_parameters(
        string mode,
        ScalarType expected
    )
    {
        foreach (var (name, make) in Optimizers.All)
        {
            using var fabric = Modes.MakeFabric(mode);
            using var model = nn.Linear(4, 2);
            using var optimizer = make(model.parameters());
            fabric.Setup(model, optimizer);
            Assert.That(Optimizers.State(optimizer).Select(state => state.dtype), Is.All.EqualTo(expected), name);
            SetGradients(model);
            optimizer.step();
            Assert.That(Optimizers.State(optimizer).Select(state => state.dtype), Is.All.EqualTo(expected), name);
        }
    }

    [Test]
    public void The_state_of_an_optimizer_that_has_stepped_stays(
        [ValueSource(typeof(Optimizers), nameof(Optimizers.Names))] string name
    )
    {
        using var fabric = new Fabric("bf16-true", accelerator: "cpu");
        using var model = nn.Linear(4, 2);
        using var optimizer = Optimizers.All[name](model.parameters());
        SetGradients(model);
        optimizer.step();
        var before = Optimizers.State(optimizer).ConvertAll(state => state.data<float>().ToArray());
        Assert.That(before, Is.Not.Empty);
        fabric.Setup(model, optimizer);
        Assert.That(Optimizers.State(optimizer).ConvertAll(state => state.data<float>().ToArray()), Is.EqualTo(before));
    }

    [Test]
    public void The_wrapped_optimizer_is_the_optimizer()
    {
        using var fabric = new Fabric(accelerator: "cpu");
        using var model = nn.Linear(4, 2);
        using var other = nn.Linear(2, 2);
        using var optimizer = optim.SGD(model.parameters(), 0.1, momentum: 0.9);
        var (_, wrapped) = fabric.Setup(model, optimizer);
        Assert.That(wrapped.Optimizer, Is.SameAs(optimizer));
        Assert.That(wrapped.ParamGroups, Is.EqualTo(optimizer.ParamGroups));
        wrapped.add_param_group(new SGD.ParamGroup { Parameters = other.parameters() });
        Assert.That(wrapped.parameters().Count(), Is.EqualTo(4));
        SetGradients(model);
        wrapped.step();
        Assert.That(MemorySize.OptimizerBytes(wrapped), Is.EqualTo(10 * sizeof(float)));
        wrapped.zero_grad();
        Assert.That(model.weight.grad!.abs().sum().item<float>(), Is.Zero);
        TensorCount.AssertChangedBy(-2, wrapped.Dispose);
    }

    [Test]
    public void The_wrapped_module_is_the_module()
    {
        using var fabric = new Fabric("bf16-true", accelerator: "cpu");
        using var model = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2));
        var net = fabric.Setup(model);
        Assert.That(net.Module, Is.SameAs(model));
        Assert.That(net.parameters(), Is.EqualTo(model.parameters()).Using<Tensor>(ReferenceEquals));
        Assert.That(net.state_dict().Keys, Is.EqualTo(model.state_dict().Keys));
        Assert.That(
            net.named_buffers().Select(buffer => buffer.name),
            Is.EqualTo(model.named_buffers().Select(buffer => buffer.name))
        );
        Assert.That(net.modules(), Is.EqualTo(model.modules()));
        Assert.That(net.children(), Is.EqualTo(model.children()));
        Assert.That(net.GetName(), Is.EqualTo(model.GetName()));
        net.eval();
        Assert.That(model.training || net.training, Is.False);
        net.train();
        Assert.That(model.modules().Prepend(net).Select(module => module.training), Is.All.True);
        SetGradients(model);
        net.zero_grad();
        Assert.That(model.parameters().Select(parameter => parameter.grad), Is.All.Null);
    }

    [Test]
    public void A_model_of_two_arguments_is_cast_on_both_sides()
    {
        using var fabric = new Fabric("bf16-true", accelerator: "cpu");
        using var model = nn.Bilinear(2, 3, 4);
        var net = fabric.Setup(model);
        using Tensor left = ones(5, 2),
            right = ones(5, 3);
        AssertMakes(1, () => Assert.That(net.forward(left, right).dtype, Is.EqualTo(ScalarType.Float32)));
        Assert.That(model.weight!.dtype, Is.EqualTo(ScalarType.BFloat16));
        Assert.That(net.GetName(), Is.EqualTo(model.GetName()));
        Assert.That(net.Module, Is.SameAs(model));
    }

    [Test]
    public void What_was_set_up_already_is_refused()
    {
        using var fabric = new Fabric("bf16-true", accelerator: "cpu");
        using var model = nn.Linear(4, 2);
        using var unchanged = nn.Linear(4, 2);
        var (net, optimizer) = fabric.Setup(model, optim.SGD(model.parameters(), 0.1));
        Assert.That(
            () => fabric.Setup(net),
            Throws.ArgumentException.With.Message.StartsWith("the model was set up already")
        );
        Assert.That(
            () => fabric.Setup(optimizer),
            Throws.ArgumentException.With.Message.StartsWith("the optimizer was set up already")
        );
        Assert.That(() => fabric.Setup(net, optim.SGD(unchanged.parameters(), 0.1)), Throws.ArgumentException);
        Assert.That(() => fabric.Setup(unchanged, optimizer), Throws.ArgumentException);
        Assert.That(unchanged.weight.dtype, Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void An_optimizer_that_would_divide_by_zero_is_refused_before_the_model_is_changed()
    {
        using var fabric = new Fabric("16-true", accelerator: "cpu");
        using var model = nn.Linear(4, 2);
        using var optimizer = optim.AdamW(model.parameters(), 0.1);
        Assert.That(
            () => fabric.Setup(model, optimizer),
            Throws
                .InstanceOf<NotSupportedException>()
                .With.Message.StartsWith("AdamW has eps 1E-08, which is 0 in float16")
        );
        Assert.That(model.weight.dtype, Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void A_backward_pass_of_its_own_is_refused_where_the_precision_needs_fabrics(
        [Values("bf16-mixed", "16-mixed")] string mode
    )
    {
        using var fabric = Modes.MakeFabric(mode);
        using var model = nn.Linear(4, 2);
        var net = fabric.Setup(model);
        using var loss = net.forward(ones(3, 4)).sum();
        Assert.That(
            () => loss.backward(),
            Throws.Exception.With.Message.Contains("`fabric.Backward(loss)` instead of `loss.backward()`")
        );
        fabric.Backward(loss);
        Assert.That(model.weight.grad, Is.Not.Null);
    }

    [TestCase(0.5, 1.0, "Only one of `clip_val` or `max_norm`")]
    [TestCase(null, null, "You have to specify either `clip_val` or `max_norm`")]
    public void Clipping_takes_one_limit(double? clipValue, double? maxNorm, string message)
    {
        using var fabric = new Fabric(accelerator: "cpu");
        using var model = nn.Linear(4, 2);
        using var optimizer = optim.SGD(model.parameters(), 0.1);
        Assert.That(
            () => fabric.ClipGradients(optimizer, clipValue, maxNorm),
            Throws.ArgumentException.With.Message.Contains(message)
        );
    }

    [Test]
    public void Clipping_refuses_a_norm_that_is_not_finite_before_it_changes_a_gradient(
        [Values(1, 2, double.PositiveInfinity)] double norm
    )
    {
        using var fabric = new Fabric(accelerator: "cpu");
        using var model = nn.Linear(4, 2);
        using var optimizer = optim.SGD(model.parameters(), 0.1);
        SetGradients(model);
        model.bias!.grad!.fill_(float.PositiveInfinity);
        Assert.That(
            () => fabric.ClipGradients(optimizer, maxNorm: 1, normType: norm),
            Throws.InvalidOperationException.With.Message.Contains("is non-finite, so it cannot be clipped")
        );
        Assert.That(model.weight.grad!.data<float>().ToArray(), Is.All.EqualTo(1));
    }

    [Test]
    public void Data_that_is_on_the_device_comes_back_as_it_is()
    {
        using var fabric = new Fabric(accelerator: "cpu");
        using var x = ones(2);
        var data = new Dictionary<string, object>(StringComparer.Ordinal) { ["x"] = x, ["n"] = 3 };
        Assert.That(fabric.ToDevice(data), Is.SameAs(data));
        Assert.That(fabric.ToDevice(x), Is.SameAs(x));
        Assert.That(fabric.ToDevice("text"), Is.EqualTo("text"));
        Assert.That(fabric.ToDevice<Tensor?>(null), Is.Null);
    }

    [Test]
    public void Null_arguments_are_refused_by_name()
    {
        using var fabric = new Fabric(accelerator: "cpu");
        Assert.That(() => fabric.Setup((optim.Optimizer)null!), Refusal.OfNull("optimizer"));
        Assert.That(() => fabric.Setup((nn.Module<Tensor, Tensor>)null!), Refusal.OfNull("model"));
        Assert.That(() => fabric.Backward(null!), Refusal.OfNull("loss"));
        Assert.That(() => fabric.ClipGradients(null!, 1), Refusal.OfNull("optimizer"));
    }

    private static void AssertMakes(int tensors, Action action) => TensorCount.AssertChangedBy(tensors, action);

    private static void SetGradients(nn.Module model)
    {
        foreach (var parameter in model.parameters())
        {
            parameter.grad = ones_like(parameter);
        }
    }

    // float16 needs an epsilon that is not 0 there.
    private static optim.Optimizer WithEpsilonForHalf(string mode, optim.Optimizer optimizer)
    {
        foreach (var options in optimizer.ParamGroups.Cast<ParamGroup>().Select(group => group.Options))
        {
            if (mode == "16-true" && options.GetType().GetField("eps") is { } epsilon)
            {
                epsilon.SetValue(options, 1e-3);
            }
        }

        return optimizer;
    }

    private sealed class Model : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter _weight = new(ones(4));

        public Model(Func<Tensor, Tensor> forward)
            : base(nameof(Model))
        {
            Forward = forward;
            register_parameter("weight", _weight);
            register_buffer("persistent", ones(4));
            register_buffer("transient", ones(4), persistent: false);
        }

        public Func<Tensor, Tensor> Forward { get; set; }

        public Tensor Own(string name) => name == "weight" ? _weight : get_buffer(name)!;

        public override Tensor forward(Tensor input) => Forward(input);
    }
}
