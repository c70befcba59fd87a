using System.Text.Json;
using NBit.Amp;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using NBit.Tensors;
using NBit.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>
/// precision/plugin_behaviours.json: what forward sees and returns, contexts, backward and clipping rules of Fabric.
/// </summary>
public sealed class FabricBehaviourTests
{
    private static readonly JsonElement Recorded = GoldenFolder.Json("precision/plugin_behaviours.json");

    private static IEnumerable<TestCaseData> Forwards() => Cases("fabric_forward");

    private static IEnumerable<TestCaseData> Contexts() => Cases("fabric_contexts");

    private static IEnumerable<TestCaseData> Backwards() => Cases("fabric_backward");

    private static IEnumerable<TestCaseData> Clips() => Cases("fabric_clip");

    private static IEnumerable<TestCaseData> Lbfgs() => Cases("fabric_lbfgs");

    private static IEnumerable<TestCaseData> States() => Cases("plugin_state_dict");

    private static IEnumerable<TestCaseData> Conversions() => Cases("convert_module");

    private static IEnumerable<TestCaseData> DefaultDtypes() => Cases("contexts");

    private static IEnumerable<TestCaseData> Cases(string group) =>
        Recorded
            .Properties(group)
            .Select(entry => new TestCaseData(entry.Name, entry.Value).SetName($"{group} {entry.Name}"));

    [TestCaseSource(nameof(Forwards))]
    public void Forward_sees_and_returns_what_was_recorded(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        using var fabric = MakeFabric(Mode(name));
        using var probe = new Probe();
        var net = fabric.Setup(probe);
        var input = ones([2, 4], DtypeNames.Parse(name[(name.LastIndexOf(' ') + 1)..]));
        var other = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["f"] = ones(1),
            ["i"] = ones(1, ScalarType.Int32),
            ["s"] = "text",
            ["c"] = ones(1, ScalarType.ComplexFloat32),
        };
        Dictionary<string, object> outputs;
        try
        {
            outputs = net.forward(input, other);
        }
        catch (System.Runtime.InteropServices.ExternalException error)
        {
            Outcome.CheckError(expected, error);
            return;
        }

        // new_complex is not compared: a complex literal of C# has its own dtype, whatever the default is.
        foreach (var (key, value) in probe.Seen)
        {
            Assert.That(value, Is.EqualTo(expected.Get(key)?.ToString()), key);
        }

        foreach (var (key, value) in other)
        {
            Assert.That(value is string || ((Tensor)value).numel() == 1, "the caller's tensors are alive");
            Assert.That(probe.SeenOther[key], Is.EqualTo(expected.Get("kwarg")!.Value.Text(key)), key);
        }

        Assert.That(probe.lin.weight.dtype.Name(), Is.EqualTo(expected.Text("weight")));
        foreach (var (key, value) in outputs)
        {
            var text = value is Tensor tensor ? tensor.dtype.Name() : value.ToString();
            Assert.That(text, Is.EqualTo(expected.Get("outputs")!.Value.Get(key)!.Value.ToString()), key);
        }
    }

    [TestCaseSource(nameof(Contexts))]
    public void Contexts_set_what_was_recorded(string mode, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        using var fabric = MakeFabric(mode);
        using (fabric.Autocast())
        {
            var inside = expected.Get("inside_autocast()")!.Value;
            Assert.That(get_default_dtype().Name(), Is.EqualTo(inside.Text("default_dtype")));
            Assert.That(Autocast.Current(DeviceType.CPU)?.Name(), Is.EqualTo(inside.Text("autocast")));
            Assert.That(
                Autocast.State(DeviceType.CPU).CacheEnabled,
                Is.EqualTo(inside.Get("cache")!.Value.GetBoolean())
            );
            var square = ones([2, 2], ScalarType.Float32);
            Assert.That(matmul(square, square).dtype.Name(), Is.EqualTo(inside.Text("matmul_of_float32")));
        }

        using (fabric.InitTensor())
        {
            var init = expected.Get("init_tensor")!.Value;
            Assert.That(ones(1).dtype.Name(), Is.EqualTo(init.Text("float")));
            Assert.That(tensor(1L).dtype.Name(), Is.EqualTo(init.Text("int")));
            Assert.That(ones(1, ScalarType.Float16).dtype.Name(), Is.EqualTo(init.Text("explicit_half")));
            Assert.That(ones(1).device.ToString(), Is.EqualTo(init.Text("device")));
        }

        foreach (var (name, emptyInit) in ((string, bool)[])[("None", false), ("False", false), ("True", true)])
        {
            var init = expected.Get($"init_module(empty_init={name})")!.Value;
            using (fabric.InitModule(emptyInit))
            using (var layer = nn.Linear(4, 4))
            {
                Assert.That(layer.weight.dtype.Name(), Is.EqualTo(init.Text("weight")));
                Assert.That(layer.weight.device.ToString(), Is.EqualTo(init.Text("device")));
            }
        }

        Assert.That(get_default_dtype(), Is.EqualTo(ScalarType.Float32));
    }

    [TestCaseSource(nameof(DefaultDtypes))]
    public void The_dtype_to_restore_is_the_one_at_construction(string name, JsonElement expected)
    {
        Assert.That(name, Does.Contain("both built before entering"));
        var outer = new DefaultDtype(ScalarType.Float64);
        var inner = new DefaultDtype(ScalarType.Float16);
        using (outer.Enter())
        {
            using (inner.Enter())
            {
                Assert.That(get_default_dtype(), Is.EqualTo(ScalarType.Float16));
            }

            Assert.That(get_default_dtype().Name(), Is.EqualTo(expected.Text("after_inner_exit_inside_outer")));
        }

        Assert.That(get_default_dtype().Name(), Is.EqualTo(expected.Text("after_all")));
    }

    [TestCaseSource(nameof(Backwards))]
    public void Backward_is_allowed_as_recorded(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        using var fabric = MakeFabric(Mode(name));
        using var layer = nn.Linear(2, 2);
        var net = fabric.Setup(layer);
        var loss = net.forward(ones(1, 2)).sum();
        try
        {
            if (name.EndsWith("fabric.backward(loss)", StringComparison.Ordinal))
            {
                fabric.Backward(loss);
            }
            else
            {
                loss.backward();
            }
        }
        catch (System.Runtime.InteropServices.ExternalException error)
        {
            Outcome.CheckError(expected, error);
            return;
        }

        Assert.That(expected.Get("ok")!.Value.GetBoolean(), Is.True);
        Assert.That(layer.weight.grad!.dtype.Name(), Is.EqualTo(expected.Text("grad")));
    }

    [TestCaseSource(nameof(Clips))]
    public void Clipping_does_what_was_recorded(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        var limits = name[(name.IndexOf('|', StringComparison.Ordinal) + 2)..];
        var scale = limits.Contains("default scale 65536", StringComparison.Ordinal) ? 65536.0 : 8.0;
        using var fabric = MakeFabric(Mode(name), scale);
        using var layer = nn.Linear(2, 2);
        using var optimizer = limits.StartsWith("fused", StringComparison.Ordinal)
            ? new Fused.AdamW(layer.parameters())
            : (optim.Optimizer)optim.SGD(layer.parameters(), 0.1);
        var (net, wrapped) = fabric.Setup(layer, optimizer);
        double? returned;
        try
        {
            var loss = net.forward(ones(1, 2)).sum();
            fabric.Backward(limits.Contains("gradients overflow", StringComparison.Ordinal) ? loss * 1e38 * 10 : loss);
            returned = fabric.ClipGradients(
                wrapped,
                limits is "clip_val=0.5" or "both" ? 0.5 : null,
                limits is "clip_val=0.5" or "neither" ? null : 1.0,
                errorIfNonfinite: !limits.Contains("error_if_nonfinite=False", StringComparison.Ordinal)
            );
            if (limits.Contains("twice", StringComparison.Ordinal))
            {
                fabric.ClipGradients(wrapped, maxNorm: 1);
                Assert.That(expected.GetString(), Is.EqualTo("ok"));
                return;
            }
        }
        catch (Exception error) when (error is ArgumentException or InvalidOperationException or NotSupportedException)
        {
            Outcome.CheckError(expected, error);
            return;
        }

        // The dtype's own rounding of the norm and the product, as in the recording.
        Assert.That(returned, Is.EqualTo(expected.Number("returned")).Within(1e-6));
        Assert.That(
            layer.weight.grad!.to(ScalarType.Float64).data<double>().ToArray(),
            Is.EqualTo(expected.Get("grad_after")!.Value.Numbers()).Within(1e-6)
        );
    }

    [TestCaseSource(nameof(Lbfgs))]
    public void Lbfgs_is_allowed_as_recorded(string mode, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        using var fabric = MakeFabric(mode);
        using var layer = nn.Linear(2, 2);
        using var optimizer = optim.LBFGS(layer.parameters());
        try
        {
            var (net, wrapped) = fabric.Setup(layer, optimizer);
            wrapped.step(() =>
            {
                wrapped.zero_grad();
                var loss = net.forward(ones(1, 2)).sum().pow(2);
                fabric.Backward(loss);
                return loss;
            });
        }
        catch (NotSupportedException error)
        {
            Outcome.CheckError(expected, error);
            return;
        }

        Assert.That(expected.GetString(), Is.EqualTo("ok"));
    }

    [TestCaseSource(nameof(States))]
    public void The_state_of_a_mode_is_as_recorded(string name, JsonElement expected)
    {
        using var mode = new MixedPrecision(name.Split(' ')[0], DeviceType.CPU);
        if (name.EndsWith("load_state_dict({})", StringComparison.Ordinal))
        {
            Outcome.Check(
                expected,
                () =>
                {
                    mode.LoadStateDict(new Dictionary<string, double>(StringComparer.Ordinal));
                    return null;
                }
            );
            return;
        }

        GradScalerTests.AssertState(mode.StateDict(), expected);
    }

    [TestCaseSource(nameof(Conversions))]
    public void Converting_a_module_gives_the_recorded_dtypes_in_the_same_objects(string plugin, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        using var model = new Odd();
        var before = model
            .named_parameters()
            .ToDictionary(pair => pair.name, pair => pair.parameter, StringComparer.Ordinal);
        PrecisionMode mode = plugin switch
        {
            "Precision" => new SinglePrecision(),
            "DoublePrecision" => new DoublePrecision(),
            _ when plugin.StartsWith("HalfPrecision ", StringComparison.Ordinal) => new HalfPrecision(
                plugin.Split(' ')[1]
            ),
            _ => new MixedPrecision(plugin.Split(' ')[1], DeviceType.CPU),
        };
        mode.ConvertModule(model);
        Assert.That(
            model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.dtype.Name(), StringComparer.Ordinal),
            Is.EquivalentTo(
                expected
                    .EnumerateObject()
                    .ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!, StringComparer.Ordinal)
            )
        );
        foreach (var (name, parameter) in model.named_parameters())
        {
            Assert.That(parameter, Is.SameAs(before[name]), name);
        }
    }

    private static string Mode(string name) => name.Split(" | ")[0];

    private static Fabric MakeFabric(string mode, double scale = 65536) =>
        mode == "16-mixed"
            ? new Fabric(
                plugin: new MixedPrecision(mode, DeviceType.CPU, new GradScaler(DeviceType.CPU, scale)),
                accelerator: "cpu"
            )
            : new Fabric(mode, accelerator: "cpu");

    private sealed class Probe : nn.Module<Tensor, Dictionary<string, object>, Dictionary<string, object>>
    {
#pragma warning disable SA1300, IDE1006 // the name of a parameter is that of its field
        public readonly Linear lin = nn.Linear(4, 3);
#pragma warning restore SA1300, IDE1006

        public Probe()
            : base(nameof(Probe)) => RegisterComponents();

        public Dictionary<string, string?> Seen { get; private set; } = [];

        public Dictionary<string, string> SeenOther { get; private set; } = [];

        public override Dictionary<string, object> forward(Tensor x, Dictionary<string, object> other)
        {
            Seen = new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["arg"] = x.dtype.Name(),
                ["default_dtype"] = get_default_dtype().Name(),
                ["autocast"] = Autocast.Current(DeviceType.CPU)?.Name(),
                ["autocast_cache"] = $"{Autocast.State(DeviceType.CPU).CacheEnabled}",
                ["new_tensor"] = ones(1).dtype.Name(),
            };
            SeenOther = other.ToDictionary(
                pair => pair.Key,
                pair =>
                    pair.Value is Tensor tensor ? tensor.dtype.Name()
                    : pair.Value is string ? "str"
                    : "?",
                StringComparer.Ordinal
            );
            var y = lin.forward(x.is_floating_point() ? x : x.to(ScalarType.Float32).to(lin.weight.dtype));
            Seen["linear_out"] = y.dtype.Name();
            return new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["y"] = y,
                ["ids"] = ones(2, ScalarType.Int64),
                ["flag"] = tensor(true),
                ["f64"] = ones(1, ScalarType.Float64),
                ["n"] = 3,
            };
        }
    }

    private sealed class Odd : nn.Module
    {
        public Odd()
            : base(nameof(Odd))
        {
            register_module("l", nn.Linear(2, 2));
            register_parameter("h", new Parameter(ones(1, ScalarType.Float16)));
            register_parameter("d", new Parameter(ones(1, ScalarType.Float64)));
            register_buffer("i", ones(1, ScalarType.Int32));
            register_buffer("b", ones(1, ScalarType.Bool));
            register_buffer("c", ones(1, ScalarType.ComplexFloat32));
            register_module("bn", nn.BatchNorm1d(2));
        }
    }
}
