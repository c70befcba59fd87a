using NBit.Amp;
using NBit.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>The scopes in which modules and tensors are made.</summary>
public sealed class InitModuleTests
{
    private static readonly Dictionary<string, Func<Tensor, Tensor>> Initializers = new(StringComparer.Ordinal)
    {
        ["constant_"] = tensor => nn.init.constant_(tensor, 3),
        ["dirac_"] = nn.init.dirac_,
        ["eye_"] = nn.init.eye_,
        ["kaiming_normal_"] = tensor => nn.init.kaiming_normal_(tensor),
        ["kaiming_uniform_"] = tensor => nn.init.kaiming_uniform_(tensor),
        ["normal_"] = tensor => nn.init.normal_(tensor),
        ["ones_"] = nn.init.ones_,
        ["orthogonal_"] = tensor => nn.init.orthogonal_(tensor),
        ["sparse_"] = tensor => nn.init.sparse_(tensor, 0.5),
        ["trunc_normal_"] = tensor => nn.init.trunc_normal_(tensor),
        ["uniform_"] = tensor => nn.init.uniform_(tensor),
        ["xavier_normal_"] = tensor => nn.init.xavier_normal_(tensor),
        ["xavier_uniform_"] = tensor => nn.init.xavier_uniform_(tensor),
        ["zeros_"] = nn.init.zeros_,
    };

    private static readonly Dictionary<string, Func<nn.Module>> Layers = new(StringComparer.Ordinal)
    {
        ["Linear"] = () => nn.Linear(8, 8),
        ["Conv2d"] = () => nn.Conv2d(3, 4, 3),
        ["Bilinear"] = () => nn.Bilinear(2, 3, 4),
        ["LayerNorm"] = () => nn.LayerNorm(8),
        ["BatchNorm1d"] = () => nn.BatchNorm1d(8),
    };

    private static IEnumerable<string> InitializerNames() => Initializers.Keys;

    private static IEnumerable<string> LayerNames() => Layers.Keys;

    [TestCaseSource(nameof(InitializerNames))]
    public void An_initializer_leaves_a_tensor_as_it_is_where_weights_are_to_stay_empty(string name)
    {
        using var fabric = new Fabric(accelerator: "cpu");
        using var known = full(name == "dirac_" ? [4, 3, 3] : [4, 4], 7f);
        using (fabric.InitModule(emptyInit: true))
        {
            Initializers[name](known);
        }

        Assert.That(known.data<float>().ToArray(), Is.All.EqualTo(7));
        using (fabric.InitModule())
        {
            Initializers[name](known);
        }

        Assert.That(known.data<float>().ToArray(), Is.Not.All.EqualTo(7));
    }

    [TestCaseSource(nameof(LayerNames))]
    public void A_layer_draws_no_random_number_where_weights_are_to_stay_empty(string name)
    {
        using var fabric = new Fabric(accelerator: "cpu");
        using var before = random.get_rng_state();
        using (fabric.InitModule(emptyInit: true))
        {
            Layers[name]().Dispose();
        }

        using var after = random.get_rng_state();
        Assert.That(after.bytes.SequenceEqual(before.bytes), Is.True);
    }

    [Test]
    public void The_scopes_end_also_when_an_exception_is_thrown(
        [ValueSource(typeof(Modes), nameof(Modes.All))] string mode,
        [Values("module", "empty module", "tensor", "forward", "trainer")] string scope
    )
    {
        using var fabric = Modes.MakeFabric(mode);
        using var trainer = new Trainer(plugin: fabric.Precision, accelerator: "cpu", enableProgressBar: false);
        Assert.That(
            () =>
            {
                using (
                    scope switch
                    {
                        "module" => fabric.InitModule(),
                        "empty module" => fabric.InitModule(emptyInit: true),
                        "tensor" => fabric.InitTensor(),
                        "forward" => fabric.Autocast(),
                        _ => trainer.InitModule(emptyInit: true),
                    }
                )
                {
                    throw new TimeoutException();
                }
            },
            Throws.InstanceOf<TimeoutException>()
        );
        Assert.That(get_default_dtype(), Is.EqualTo(ScalarType.Float32));
        Assert.That(get_default_device().type, Is.EqualTo(DeviceType.CPU));
        Assert.That(Autocast.Current(DeviceType.CPU), Is.Null);
        using var filled = nn.init.ones_(zeros(3));
        Assert.That(filled.data<float>().ToArray(), Is.All.EqualTo(1), "initializers work again");
    }

    [Test]
    public void Scopes_nest()
    {
        using var half = new Fabric("bf16-true", accelerator: "cpu");
        using var twice = new Fabric("64-true", accelerator: "cpu");
        using (half.InitModule(emptyInit: true))
        {
            using (twice.InitModule())
            {
                using var inner = nn.Linear(2, 2);
                Assert.That(inner.weight.dtype, Is.EqualTo(ScalarType.Float64));
                using var filled = nn.init.ones_(zeros(3));
                Assert.That(filled.data<double>().ToArray(), Is.All.EqualTo(1));
            }

            using var outer = nn.Linear(2, 2);
            Assert.That(outer.weight.dtype, Is.EqualTo(ScalarType.BFloat16));
            using var empty = nn.init.ones_(zeros(3, ScalarType.Float32));
            Assert.That(empty.data<float>().ToArray(), Is.All.Zero);
        }
    }
}
