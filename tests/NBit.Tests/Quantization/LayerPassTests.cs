using NBit.Interop;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>Forward and backward passes through layers that were converted in place.</summary>
public sealed class LayerPassTests : DisposeScopeFixture
{
    private static IEnumerable<string> Kinds() => TwoLayers.Kinds;

    [Test]
    public void A_graph_that_is_kept_gives_the_same_gradients_again([ValueSource(nameof(Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        var x = TwoLayers.Input().requires_grad_();
        var loss = model.forward(x).square().sum();
        loss.backward(retain_graph: true);
        var once = Gradients(model, x);
        loss.backward();
        foreach (var (twice, gradient) in Gradients(model, x).Zip(once))
        {
            TensorAssert.Close(twice, 2 * gradient);
        }
    }

    [Test]
    public void Uses_of_one_layer_add_up([ValueSource(nameof(Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        var (x, y) = (TwoLayers.Input().requires_grad_(), randn(3, 4, TwoLayers.Inputs).requires_grad_());
        model.First.forward(x).square().sum().backward();
        model.First.forward(y).square().sum().backward();
        var (expected, left, right) = (Gradients(model.First, x), x.grad!.clone(), y.grad!.clone());
        model.zero_grad();
        (x.grad, y.grad) = (null, null);

        (model.First.forward(x).square().sum() + model.First.forward(y).square().sum()).backward();
        foreach (var (actual, gradient) in Gradients(model.First, x).Zip(expected))
        {
            TensorAssert.Close(actual, gradient);
        }

        TensorAssert.Close(x.grad!, left);
        TensorAssert.Close(y.grad!, right);
    }

    [Test]
    public void An_input_that_is_used_elsewhere_too_gets_all_its_gradients([ValueSource(nameof(Kinds))] string kind)
    {
        using TwoLayers model = TwoLayers.Make(kind),
            other = TwoLayers.Make(kind, seed: 3);
        var x = TwoLayers.Input().requires_grad_();
        var parts = new List<Tensor>();
        foreach (var part in (Func<Tensor, Tensor>[])[model.First.forward, other.First.forward, input => 3 * input])
        {
            part(x).sum().backward();
            parts.Add(x.grad!.clone());
            x.grad = null;
        }

        var scaled = x * 1; // what is no leaf is the same
        (model.First.forward(scaled).sum() + other.First.forward(scaled).sum() + (3 * scaled).sum()).backward();
        TensorAssert.Close(x.grad!, parts[0] + parts[1] + parts[2]);
    }

    [Test]
    public void Gradients_come_through_two_layers([ValueSource(nameof(Kinds))] string kind)
    {
        using TwoLayers exact = TwoLayers.Make(),
            model = TwoLayers.Make(kind);
        var (x, y) = (TwoLayers.Input().requires_grad_(), TwoLayers.Input().requires_grad_());
        exact.forward(x).sum().backward();
        model.forward(y).sum().backward();
        var error = (y.grad! - x.grad!).norm() / x.grad!.norm();
        Assert.That(error.item<float>(), Is.LessThan(kind == "none" ? 1e-6f : 0.5f)); // fp4's error is some 30 %
    }

    [Test]
    public void Results_are_the_same_with_and_without_a_graph([ValueSource(nameof(Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        var x = TwoLayers.Input().requires_grad_();
        var expected = model.forward(x);
        Assert.That(expected.requires_grad, Is.True);
        using (no_grad())
        {
            var y = model.forward(x);
            TensorAssert.Equal(y, expected);
            Assert.That(y.requires_grad, Is.False);
        }

        using (inference_mode())
        {
            var y = model.forward(TwoLayers.Input());
            TensorAssert.Equal(y, expected);
            Assert.That(y.requires_grad, Is.False);
        }

        TensorAssert.Equal(expected.detach(), model.forward(x.detach()));
    }

    [Test]
    public void A_detached_result_stops_gradients([ValueSource(nameof(Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        var x = TwoLayers.Input().requires_grad_();
        var hidden = model.First.forward(x).detach().requires_grad_();
        model.Last.forward(hidden).sum().backward();
        Assert.That((x.grad, hidden.grad), Is.EqualTo((default(Tensor), hidden.grad)));
        Assert.That(hidden.grad, Is.Not.Null);
    }

    [Test]
    public void Inputs_of_any_rank_are_taken(
        [ValueSource(nameof(Kinds))] string kind,
        [Values(new long[] { 16 }, new long[] { 2, 3, 16 }, new long[] { 0, 16 }, new long[] { 2, 0, 16 })] long[] shape
    )
    {
        using var model = TwoLayers.Make(kind);
        var x = randn(shape).requires_grad_();
        var y = model.forward(x);
        Assert.That(y.shape, Is.EqualTo(new List<long>([.. shape[..^1], TwoLayers.Outputs])));
        y.sum().backward();
        Assert.That(x.grad!.shape, Is.EqualTo(shape));
        Assert.That(x.grad.isfinite().all().item<bool>(), Is.True);
    }

    [Test]
    public void An_input_in_float64_gives_a_result_in_float64([ValueSource(nameof(QuantizedKinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        var x = TwoLayers.Input().to(ScalarType.Float64).requires_grad_();
        var y = model.First.forward(x);
        Assert.That(y.dtype, Is.EqualTo(ScalarType.Float64));
        TensorAssert.Equal(y.to(ScalarType.Float32), model.First.forward(x.to(ScalarType.Float32)));
        y.sum().backward();
        Assert.That(x.grad!.dtype, Is.EqualTo(ScalarType.Float64));
    }

    private static IEnumerable<string> QuantizedKinds() => TwoLayers.Kinds.Where(kind => kind != "none");

    [Test]
    public void A_wrong_input_is_an_exception_and_leaves_nothing_behind(
        [ValueSource(nameof(QuantizedKinds))] string kind
    )
    {
        using var model = TwoLayers.Make(kind);
        using var wide = randn(2, TwoLayers.Inputs + 1);
        using var whole = ones(2, TwoLayers.Inputs, dtype: ScalarType.Int32);
        using var right = TwoLayers.Input();
        using var expected = model.forward(right);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                Assert.That(
                    () => model.forward(wide),
                    Throws.Exception.With.Message.Contains("a layer of 16 inputs takes [..., 16]")
                );
                Assert.That(
                    () => model.forward(whole),
                    Throws.Exception.With.Message.Contains("it must be floating-point")
                );
            }
        );
        TensorAssert.Equal(model.forward(right), expected);
    }

    [Test]
    public void An_exception_in_a_backward_pass_arrives_and_the_layer_works_on([ValueSource(nameof(Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        using var x = TwoLayers.Input().requires_grad_();
        TensorCount.AssertChangedBy(0, Fail);
        using var loss = model.forward(x).sum();
        loss.backward();
        x.grad = null;
        model.zero_grad();

        void Fail()
        {
            using var hidden = model.First.forward(x);
            GradientHook.Attach(hidden, _ => throw new TimeoutException("the hook failed"));
            using var y = model.Last.forward(hidden);
            using var total = y.sum();
            Assert.That(() => total.backward(), Throws.Exception.With.Message.Contains("the hook failed"));
            model.zero_grad();
            x.grad = null;
        }
    }

    [Test]
    public void Threads_can_share_a_layer([ValueSource(nameof(Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        var expected = model.forward(TwoLayers.Input().requires_grad_());
        var x = TwoLayers.Input().requires_grad_();
        model.forward(x).sum().backward();
        var gradient = x.grad!.clone();
        var inputs = Enumerable.Range(0, 8).Select(_ => x.detach().clone().requires_grad_()).ToList();
        Parallel.ForEach(
            inputs,
            new ParallelOptions { MaxDegreeOfParallelism = 4 },
            input =>
            {
                using var scope = NewDisposeScope();
                for (var i = 0; i < 5; i++)
                {
                    var y = model.forward(input);
                    TensorAssert.Equal(y, expected);
                    autograd.grad([y.sum()], [input])[0].DetachFromDisposeScope().Dispose();
                }
            }
        );
        inputs[0].grad = null;
        model.forward(inputs[0]).sum().backward();
        TensorAssert.Close(inputs[0].grad!, gradient);
    }

    [Test]
    public void Other_views_of_a_weight_are_ordinary_matrices()
    {
        using var model = TwoLayers.Make();
        NBit.Quantization.Lora.Attach(model, targets: ["_first"]);
        foreach (var parameter in NBit.Quantization.Lora.Parameters(model))
        {
            using var grad = no_grad();
            parameter.normal_();
        }

        var weight = model.First.weight.detach();
        var x = TwoLayers.Input();
        var rows = weight.narrow(0, 0, 5);
        TensorAssert.Close(nn.functional.linear(x, rows), x.mm(rows.t()));
        var turned = weight.t();
        var hidden = randn(3, TwoLayers.Hidden);
        TensorAssert.Close(nn.functional.linear(hidden, turned), hidden.mm(weight));
    }

    private static List<Tensor> Gradients(nn.Module model, Tensor input) =>
        [
            .. model
                .parameters()
                .Where(parameter => parameter.requires_grad)
                .Append(input)
                .Select(tensor => tensor.grad!.clone()),
        ];
}
