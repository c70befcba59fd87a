using NBit.Quantization;
using NBit.Tests.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>Adapters over layers of every kind, against the formula written out.</summary>
public sealed class LoraTests : DisposeScopeFixture
{
    private const int Rank = 4;
    private const double Alpha = 10;

    private static readonly Dictionary<string, Func<Linear, nn.Module<Tensor, Tensor>>> Layers = new(
        StringComparer.Ordinal
    )
    {
        ["Linear"] = linear => linear,
        ["Linear4bit"] = linear => Linear4bit.FromLinear(linear, quantType: QuantType.NF4),
        ["Linear8bitLt"] = linear => Linear8bitLt.FromLinear(linear),
        ["Linear8bitLt training"] = linear => Linear8bitLt.FromLinear(linear, hasFp16Weights: true),
    };

    private static IEnumerable<string> LayerNames() => Layers.Keys;

    [Test]
    public void An_adapter_adds_its_product_to_a_layer_of_any_kind(
        [ValueSource(nameof(LayerNames))] string name,
        [Values] bool hasBias,
        [Values(ScalarType.Float32, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        manual_seed(1);
        using var layer = Layers[name](nn.Linear(32, 24, hasBias, dtype: dtype));
        var x = randn(3, 5, 32).to(dtype);
        var before = layer.forward(x);
        Assert.That(Lora.Attach(layer, Rank, Alpha), Is.EqualTo(new[] { "" }));
        TensorAssert.Equal(layer.forward(x), before); // B is 0

        var (a, b) = Randomize(layer);
        var added = x.to(ScalarType.Float32).matmul(a.t()).matmul(b.t()) * (Alpha / Rank);
        TensorAssert.Close(layer.forward(x), before + added, dtype == ScalarType.Float32 ? 1e-5 : 0.02);
    }

    [Test]
    public void Gradients_reach_the_adapter_and_the_input_alone([ValueSource(nameof(LayerNames))] string name)
    {
        manual_seed(1);
        using var layer = Layers[name](nn.Linear(32, 24));
        var x = randn(5, 32).requires_grad_();
        layer.forward(x).sum().backward();
        var inputGradient = x.grad!.clone();
        x.grad = null;
        layer.zero_grad();

        Lora.Attach(layer, Rank, Alpha);
        var (a, b) = Randomize(layer);
        layer.forward(x).sum().backward();
        var seed = ones(5, 24) * (Alpha / Rank);
        TensorAssert.Close(a.grad!, b.t().mm(seed.t()).mm(x));
        TensorAssert.Close(b.grad!, seed.t().mm(x.mm(a.t())));
        TensorAssert.Close(x.grad!, inputGradient + seed.mm(b).mm(a));
        foreach (var (parameter, trained) in layer.named_parameters())
        {
            Assert.That(trained.requires_grad, Is.EqualTo(parameter.Contains("lora", StringComparison.Ordinal)));
        }
    }

    private static IEnumerable<TestCaseData> Targets()
    {
        yield return Case(null, "query.dense", "value", "value.head", "values");
        yield return Case(["value"], "value");
        yield return Case(["dense"], "query.dense");
        yield return Case(["query.dense", "values"], "query.dense", "values");
        yield return Case(["value*"], "value", "value.head", "values");
        yield return Case(["*.d?nse"], "query.dense");
        yield return Case(["head"], "value.head");

        static TestCaseData Case(string[]? targets, params string[] expected) =>
            new TestCaseData(targets, expected).SetArgDisplayNames(
                targets is null ? "all" : string.Join(", ", targets)
            );
    }

    [TestCaseSource(nameof(Targets))]
    public void Targets_are_full_names_last_parts_and_patterns(string[]? targets, string[] expected)
    {
        using var model = Named();
        Assert.That(Lora.Attach(model, targets: targets), Is.EquivalentTo(expected));
        Assert.That(
            model.state_dict().Keys.Where(key => key.EndsWith("lora_A.weight", StringComparison.Ordinal)),
            Is.EquivalentTo(expected.Select(name => $"{name}.lora_A.weight"))
        );
        Assert.That(Lora.Parameters(model).Count(), Is.EqualTo(2 * expected.Length));
    }

    private static IEnumerable<TestCaseData> Refused()
    {
        yield return Case(
            "no such target",
            model => Lora.Attach(model, targets: ["q"]),
            "the model has value, values, query.dense"
        );
        yield return Case("no targets", model => Lora.Attach(model, targets: []), "no linear layer is named by []");
        yield return Case("rank", model => Lora.Attach(model, rank: 0), "rank");
        yield return Case("alpha", model => Lora.Attach(model, alpha: double.NaN), "allowed are finite numbers");
        foreach (var dropout in (double[])[-0.1, 1, double.NaN])
        {
            yield return Case(
                $"dropout {dropout}",
                model => Lora.Attach(model, dropout: dropout),
                "allowed are 0 and above, below 1"
            );
        }

        yield return Case(
            "dtype",
            model => Lora.Attach(model, dtype: ScalarType.Int32),
            "the dtype of adapters is Int32"
        );

        static TestCaseData Case(string name, Action<nn.Module> call, string message) =>
            new TestCaseData(call, message).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Refused))]
    public void An_adapter_that_cannot_be_is_refused_and_nothing_changes(Action<nn.Module> call, string message)
    {
        using var model = Named();
        var names = model.state_dict().Keys.ToList();
        var error = Assert.Catch<ArgumentException>(() => call(model));
        Assert.That(error!.Message, Does.Contain(message));
        Assert.That(model.state_dict().Keys, Is.EqualTo(names));
        Assert.That(model.parameters().Select(parameter => parameter.requires_grad), Is.All.True);
    }

    [Test]
    public void A_second_adapter_is_refused_and_nothing_changes()
    {
        using var model = TwoLayers.Make();
        Lora.Attach(model, targets: ["_last"]);
        model.First.weight.requires_grad = true;
        var error = Assert.Catch<ArgumentException>(() => Lora.Attach(model));
        Assert.That(error!.Message, Does.Contain("_last has an adapter already"));
        Assert.That(model.First.weight.requires_grad, Is.True);
        Assert.That(Lora.Parameters(model).Count(), Is.EqualTo(2));
    }

    [Test]
    public void Dropout_is_in_training_alone_and_follows_the_mode_of_the_model()
    {
        using var model = TwoLayers.Make();
        Lora.Attach(model, Rank, dropout: 0.5);
        Randomize(model);
        var x = TwoLayers.Input();
        model.eval();
        TensorAssert.Equal(model.forward(x), model.forward(x));
        model.train();
        Assert.That(model.forward(x).eq(model.forward(x)).all().item<bool>(), Is.False);
    }

    [Test]
    public void Others_are_left_trainable_where_that_is_asked_for([Values] bool freezeOthers)
    {
        using var model = TwoLayers.Make();
        Lora.Attach(model, targets: ["_last"], freezeOthers: freezeOthers);
        Assert.That(model.First.weight.requires_grad, Is.Not.EqualTo(freezeOthers));
        Assert.That(Lora.Parameters(model).Select(parameter => parameter.requires_grad), Is.All.True);
    }

    [Test]
    public void Merging_computes_what_the_adapters_did(
        [Values(ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        using var model = nn.Sequential(nn.Linear(16, 32, dtype: dtype), nn.Linear(32, 8, dtype: dtype));
        var x = TwoLayers.Input().to(dtype);
        Lora.Attach(model, Rank, Alpha);
        Randomize(model);
        var expected = model.forward(x);
        Lora.Merge(model);
        TensorAssert.Close(model.forward(x), expected, dtype == ScalarType.BFloat16 ? 0.03 : 1e-5);
        Assert.That(Lora.Parameters(model), Is.Empty);
        Assert.That(model.state_dict().Keys, Has.None.Contains("lora"));
    }

    [Test]
    public void Merging_into_codes_is_refused_and_nothing_changes(
        [Values("nf4", "int8")] string kind,
        [Values] bool mixed
    )
    {
        using var model = nn.Sequential(("float", nn.Linear(16, 64)), ("codes", nn.Linear(64, 8)));
        new NBit.Precision.BitsandbytesPrecision(kind, ignoreModules: mixed ? ["float"] : null).ConvertModule(model);
        Lora.Attach(model, Rank);
        Randomize(model);
        var expected = model.forward(TwoLayers.Input());
        Assert.That(
            () => Lora.Merge(model),
            Throws.InvalidOperationException.With.Message.Contains(
                "is quantized and cannot hold what its adapter learned"
            )
        );
        TensorAssert.Equal(model.forward(TwoLayers.Input()), expected);
        Assert.That(Lora.Parameters(model).Count(), Is.EqualTo(4));
    }

    [Test]
    public void Removing_gives_the_model_back([ValueSource(typeof(TwoLayers), nameof(TwoLayers.Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        var names = model.state_dict().Keys.ToList();
        var expected = model.forward(TwoLayers.Input());
        Lora.Attach(model, Rank, dropout: 0.1);
        Randomize(model);
        Lora.Remove(model);
        TensorAssert.Equal(model.forward(TwoLayers.Input()), expected);
        Assert.That(model.state_dict().Keys, Is.EqualTo(names));
        Lora.Attach(model, Rank); // again
        TensorAssert.Equal(model.forward(TwoLayers.Input()), expected);
    }

    [Test]
    public void Converting_and_attaching_give_the_same_in_either_order(
        [ValueSource(typeof(TwoLayers), nameof(TwoLayers.Kinds))] string kind,
        [Values] bool removedBefore
    )
    {
        using TwoLayers first = TwoLayers.Make(kind),
            second = TwoLayers.Make();
        Lora.Attach(first, Rank, Alpha);
        Lora.Attach(second, Rank, Alpha);
        if (removedBefore)
        {
            Lora.Remove(second);
        }

        TwoLayers.Convert(second, kind);
        if (removedBefore)
        {
            Lora.Attach(second, Rank, Alpha);
        }

        Randomize(first);
        Randomize(second);
        var x = TwoLayers.Input();
        TensorAssert.Equal(second.forward(x), first.forward(x));
        Assert.That(
            second.state_dict().Select(entry => (entry.Key, entry.Value.dtype)),
            Is.EqualTo(first.state_dict().Select(entry => (entry.Key, entry.Value.dtype)))
        );
        Assert.That(
            second.parameters().Select(parameter => parameter.requires_grad),
            Is.EqualTo(first.parameters().Select(parameter => parameter.requires_grad))
        );
    }

    [Test]
    public void Layers_that_share_a_weight_share_its_adapter([Values] bool merges)
    {
        using Linear first = nn.Linear(16, 16),
            second = nn.Linear(16, 16);
        second.weight = first.weight;
        using var model = nn.Sequential(first, second);
        var x = randn(3, 16);
        Lora.Attach(model, Rank, Alpha);
        Assert.That(Lora.Parameters(model).Count(), Is.EqualTo(2));
        var (a, b) = Randomize(model);
        var weight = first.weight.detach() + (b.mm(a) * (Alpha / Rank));
        var expected = nn.functional.linear(nn.functional.linear(x, weight, first.bias), weight, second.bias);
        TensorAssert.Close(model.forward(x), expected);
        if (merges)
        {
            Lora.Merge(model);
            TensorAssert.Close(model.forward(x), expected);
        }
        else
        {
            Lora.Remove(model);
        }

        Assert.That(model.state_dict().Keys, Has.None.Contains("lora"));
    }

    [Test]
    public void A_strided_weight_is_taken_by_its_numbers()
    {
        using var layer = nn.Linear(16, 8, hasBias: false);
        layer.weight = new Parameter(randn(16, 8).t());
        var x = TwoLayers.Input();
        var expected = layer.forward(x);
        Lora.Attach(layer, Rank);
        TensorAssert.Close(layer.forward(x), expected);
    }

    [Test]
    public void Adapters_leave_nothing_behind([ValueSource(typeof(TwoLayers), nameof(TwoLayers.Kinds))] string kind)
    {
        using var model = TwoLayers.Make(kind);
        Lora.Attach(model, Rank, dropout: 0.1);
        using var x = TwoLayers.Input().requires_grad_();
        Pass();
        TensorCount.AssertChangedBy(0, Pass);

        void Pass()
        {
            using var y = model.forward(x);
            using var loss = y.sum();
            loss.backward();
            model.zero_grad();
            x.grad = null;
        }
    }

    private static nn.Module<Tensor, Tensor> Named() =>
        new Branches(
            ("query.dense", nn.Linear(4, 4)),
            ("value", nn.Linear(4, 4)),
            ("values", nn.Linear(4, 4)),
            ("value.head", nn.Linear(4, 4))
        );

    /// <summary>Gives all adapters numbers, the same each time; the last one's are returned.</summary>
    private static (Parameter A, Parameter B) Randomize(nn.Module model)
    {
        manual_seed(7);
        using var grad = no_grad();
        var parameters = Lora.Parameters(model).ToList();
        parameters.ForEach(parameter => parameter.normal_());
        return (parameters[^2], parameters[^1]);
    }

    /// <summary>Modules of given full names.</summary>
    private sealed class Branches : nn.Module<Tensor, Tensor>
    {
        public Branches(params (string Name, Linear Layer)[] layers)
            : base(nameof(Branches))
        {
            foreach (var group in layers.GroupBy(layer => layer.Name.Split('.')[0], StringComparer.Ordinal))
            {
                var own = group.FirstOrDefault(layer => layer.Name == group.Key).Layer;
                nn.Module module = own ?? (nn.Module)new Branches();
                foreach (var (name, layer) in group.Where(layer => layer.Name != group.Key))
                {
                    module.register_module(name[(group.Key.Length + 1)..], layer);
                }

                register_module(group.Key, module);
            }
        }

        public override Tensor forward(Tensor input) => throw new NotSupportedException();
    }
}
