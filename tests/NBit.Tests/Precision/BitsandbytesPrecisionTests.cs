using System.Runtime.InteropServices;
using NBit.Precision;
using NBit.Quantization;
using NBit.Tests.Quantization;
using NBit.Tests.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Precision;

/// <summary>The conversion of models in place.</summary>
public sealed class BitsandbytesPrecisionTests : DisposeScopeFixture
{
    private static IEnumerable<string> Modes() => BitsandbytesPrecision.Modes;

    [TestCaseSource(nameof(Modes))]
    public void Objects_stay_and_weights_are_replaced(string mode)
    {
        using var model = TwoLayers.Make();
        var (first, weight, bias) = (model.First, model.First.weight, model.First.bias);
        var names = model.state_dict().Keys.ToList();
        var exact = weight.detach().clone();
        new BitsandbytesPrecision(mode).ConvertModule(model);
        Assert.That(model.First, Is.SameAs(first));
        Assert.That((model.First.weight, model.First.bias), Is.EqualTo((weight, bias)));
        Assert.That(model.First.weight, Is.SameAs(weight));
        Assert.That(model.state_dict().Keys, Is.EqualTo(names));
        var (dtype, shape) = mode switch
        {
            "int8" => (ScalarType.Int8, new long[] { TwoLayers.Hidden, TwoLayers.Inputs }),
            "int8-training" => (ScalarType.Float32, [TwoLayers.Hidden, TwoLayers.Inputs]),
            _ => (ScalarType.Byte, [TwoLayers.Hidden * TwoLayers.Inputs / 2, 1]),
        };
        Assert.That((weight.dtype, weight.shape), Is.EqualTo((dtype, shape)));
        Assert.That(weight.requires_grad, Is.EqualTo(mode == "int8-training"));
        Assert.That(bias!.requires_grad, Is.EqualTo(mode.StartsWith("int8", StringComparison.Ordinal)));
        if (mode == "int8-training")
        {
            TensorAssert.Equal(weight.detach(), exact);
        }
    }

    [TestCaseSource(nameof(Modes))]
    public void A_converted_layer_computes_what_the_module_of_its_kind_does(string mode)
    {
        using var model = TwoLayers.Make();
        using (no_grad())
        {
            // The mode casts biases to its dtype; these stay what they are.
            model.First.bias!.copy_((model.First.bias * 64).round() / 64);
        }

        using nn.Module<Tensor, Tensor> layer = mode switch
        {
            "int8" => Linear8bitLt.FromLinear(model.First),
            "int8-training" => Linear8bitLt.FromLinear(model.First, hasFp16Weights: true),
            _ => Linear4bit.FromLinear(
                model.First,
                ScalarType.BFloat16,
                mode.EndsWith("-dq", StringComparison.Ordinal),
                mode.StartsWith("nf4", StringComparison.Ordinal) ? QuantType.NF4 : QuantType.FP4
            ),
        };
        new BitsandbytesPrecision(mode).ConvertModule(model);
        var x = TwoLayers.Input();
        TensorAssert.Equal(model.First.forward(x), layer.forward(x));
    }

    private static IEnumerable<TestCaseData> Ignored()
    {
        yield return Case([], true, true);
        yield return Case(["_last"], true, false);
        yield return Case(["_l"], true, false);
        yield return Case(["last"], true, true);
        yield return Case(["_first", "_last"], false, false);
        yield return Case([""], false, false);

        static TestCaseData Case(string[] names, bool first, bool last) =>
            new TestCaseData(names, first, last).SetArgDisplayNames($"[{string.Join(", ", names)}]");
    }

    [TestCaseSource(nameof(Ignored))]
    public void Layers_whose_name_begins_with_an_ignored_one_are_left(string[] names, bool first, bool last)
    {
        using var model = TwoLayers.Make();
        new BitsandbytesPrecision("nf4", ignoreModules: names).ConvertModule(model);
        Assert.That((TwoLayers.IsQuantized(model.First), TwoLayers.IsQuantized(model.Last)), Is.EqualTo((first, last)));
        Assert.That(model.Last.weight.requires_grad, Is.Not.EqualTo(last));
    }

    [TestCaseSource(nameof(Modes))]
    public void A_model_that_is_quantized_in_part_or_in_another_way_is_refused_and_untouched(string mode)
    {
        using var model = TwoLayers.Make();
        new BitsandbytesPrecision("nf4", ignoreModules: ["_last"]).ConvertModule(model);
        var before = model
            .state_dict()
            .ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone(), StringComparer.Ordinal);
        Assert.That(
            () => new BitsandbytesPrecision(mode).ConvertModule(model),
            Throws.InvalidOperationException.With.Message.StartsWith(
                $"'_first' is quantized already, and '{mode}' takes"
            )
        );
        AssertUntouched(model, before);
        using var own = nn.Sequential(new Linear8bitLt(4, 4, hasFp16Weights: false), nn.Linear(4, 4));
        Assert.That(() => new BitsandbytesPrecision(mode).ConvertModule(own), Throws.InvalidOperationException);
        Assert.That(((Linear)own[1]).weight.dtype, Is.EqualTo(ScalarType.Float32));
    }

    [Test]
    public void A_model_without_linear_layers_is_refused()
    {
        using var model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU());
        var error = Assert.Catch<ArgumentException>(() => new BitsandbytesPrecision("int8").ConvertModule(model));
        Assert.That(
            error!.Message,
            Does.StartWith(
                "You are using the bitsandbytes precision plugin, but your model has no Linear layers. This plugin "
                    + "won't work for your model."
            )
        );
    }

    [TestCaseSource(nameof(Modes))]
    public void A_linear_layer_that_is_the_model_is_left(string mode)
    {
        using var layer = nn.Linear(4, 4);
        new BitsandbytesPrecision(mode).ConvertModule(layer);
        Assert.That((layer.weight.dtype, layer.weight.requires_grad), Is.EqualTo((ScalarType.Float32, true)));
    }

    [Test]
    public void A_weight_that_is_not_finite_is_named_and_the_model_untouched(
        [ValueSource(nameof(Modes))] string mode,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float value
    )
    {
        using var model = TwoLayers.Make();
        SetLast(model, value);
        var before = model
            .state_dict()
            .ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone(), StringComparer.Ordinal);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                var error = Assert.Catch<ArgumentException>(() => new BitsandbytesPrecision(mode).ConvertModule(model));
                Assert.That(
                    error!.Message,
                    Does.StartWith("_last.weight cannot be quantized: it holds NaN or infinities")
                        .And.Contains("allowNonFinite: true")
                );
            }
        );
        AssertUntouched(model, before);
        Assert.That(model.parameters().Select(parameter => parameter.requires_grad), Is.All.True);
        new BitsandbytesPrecision(mode, allowNonFinite: true).ConvertModule(model);
        Assert.That(model.First.weight.dtype == ScalarType.Float32, Is.EqualTo(mode == "int8-training"));
    }

    private static IEnumerable<TestCaseData> Unsuitable()
    {
        foreach (var mode in BitsandbytesPrecision.Modes)
        {
            if (mode.StartsWith("int8", StringComparison.Ordinal)) // 4-bit modes round float64 to float32
            {
                yield return new TestCaseData(
                    mode,
                    (Func<Tensor>)(() => ones(8, 64, ScalarType.Float64)),
                    "Float64"
                ).SetArgDisplayNames(mode, "float64");
            }

            yield return new TestCaseData(
                mode,
                (Func<Tensor>)(() => empty(8, 64, device: META)),
                "META"
            ).SetArgDisplayNames(mode, "meta");
        }
    }

    [TestCaseSource(nameof(Unsuitable))]
    public void A_weight_that_cannot_be_quantized_is_named_and_the_model_untouched(
        string mode,
        Func<Tensor> weight,
        string message
    )
    {
        using var model = TwoLayers.Make();
        model.Last.weight = new Parameter(weight());
        var first = model.First.weight.detach().clone();
        var error = Assert.Catch<ArgumentException>(() => new BitsandbytesPrecision(mode).ConvertModule(model));
        Assert.That(error!.Message, Does.StartWith("_last.weight cannot be quantized: ").And.Contains(message));
        TensorAssert.Equal(model.First.weight.detach(), first);
        Assert.That(model.First.weight.requires_grad, Is.True);
    }

    private static IEnumerable<TestCaseData> Arguments()
    {
        yield return Case("nf4", null, ScalarType.BFloat16);
        yield return Case("fp4-dq", ScalarType.Float16, ScalarType.Float16);
        yield return Case("nf4-dq", ScalarType.Float32, ScalarType.Float32);
        yield return Case("int8", null, ScalarType.Float16);
        yield return Case("int8-training", ScalarType.Float16, ScalarType.Float16);

        static TestCaseData Case(string mode, ScalarType? dtype, ScalarType expected) => new(mode, dtype, expected);
    }

    [TestCaseSource(nameof(Arguments))]
    public void The_dtype_is_what_inputs_are_cast_to(string mode, ScalarType? dtype, ScalarType expected)
    {
        var precision = new BitsandbytesPrecision(mode, dtype);
        Assert.That((precision.Name, precision.DataType), Is.EqualTo((mode, expected)));
        Assert.That(precision.ConvertInput(ones(2)).dtype, Is.EqualTo(expected));
        Assert.That(precision.ConvertInput(ones(2, ScalarType.Int64)).dtype, Is.EqualTo(ScalarType.Int64));
        Assert.That(precision.ConvertOutput(ones(2, expected)).dtype, Is.EqualTo(ScalarType.Float32));
        using (precision.ForwardContext())
        {
            Assert.That(get_default_dtype(), Is.EqualTo(expected));
        }

        Assert.That(get_default_dtype(), Is.EqualTo(ScalarType.Float32));
    }

    [TestCase("int8", ScalarType.BFloat16, "'int8' only works with `dtype=torch.float16`, but you chose")]
    [TestCase("int8-training", ScalarType.Float32, "'int8-training' only works with `dtype=torch.float16`")]
    [TestCase("nf4", ScalarType.Int64, "the compute dtype is Int64; allowed are")]
    [TestCase("nf5", null, "'nf5' is no mode of BitsandbytesPrecision; it has 'nf4', 'nf4-dq', 'fp4', 'fp4-dq'")]
    [TestCase("NF4", null, "'NF4' is no mode")]
    public void An_argument_that_does_not_fit_is_refused(string mode, ScalarType? dtype, string message) =>
        Assert.That(
            () => new BitsandbytesPrecision(mode, dtype),
            Throws.ArgumentException.With.Message.Contains(message)
        );

    [TestCaseSource(nameof(Modes))]
    public void Tied_weights_stay_tied(string mode)
    {
        using Linear first = nn.Linear(64, 64),
            second = nn.Linear(64, 64);
        second.weight = first.weight;
        using var model = nn.Sequential(first, second);
        new BitsandbytesPrecision(mode).ConvertModule(model);
        Assert.That(second.weight, Is.SameAs(first.weight));
        Assert.That(model.forward(randn(2, 64)).isfinite().all().item<bool>(), Is.True);
    }

    [TestCaseSource(nameof(Modes))]
    public void Two_parameters_over_one_memory_are_both_converted(string mode)
    {
        using Linear first = nn.Linear(64, 64),
            second = nn.Linear(64, 64);
        second.weight = new Parameter(first.weight.detach());
        using var model = nn.Sequential(first, second);
        var x = randn(2, 64);
        var expected = model.forward(x);
        new BitsandbytesPrecision(mode).ConvertModule(model);
        TensorAssert.Close(model.forward(x), expected, mode.StartsWith("int8", StringComparison.Ordinal) ? 0.05 : 0.4);
    }

    [TestCaseSource(nameof(Modes))]
    public void A_strided_weight_is_taken_by_its_numbers(string mode)
    {
        using TwoLayers model = TwoLayers.Make(),
            dense = TwoLayers.Make();
        model.First.weight = new Parameter(dense.First.weight.detach().t().contiguous().t());
        Assert.That(model.First.weight.is_contiguous(), Is.False);
        new BitsandbytesPrecision(mode).ConvertModule(model);
        new BitsandbytesPrecision(mode).ConvertModule(dense);
        TensorAssert.Equal(model.First.forward(TwoLayers.Input()), dense.First.forward(TwoLayers.Input()));
    }

    [TestCaseSource(nameof(Modes))]
    public void Converted_models_leave_no_memory_behind(string mode)
    {
        const int models = 40;
        const long bytes = 4L * 1024 * 2048;
        Repeat(10, mode);
        var before = ResidentBytes();
        Repeat(models, mode);

        // A weight is kept in 4 bytes an element, in 1, or in a half; the heap keeps some of what was freed.
        Assert.That(ResidentBytes() - before, Is.LessThan(models * bytes / (mode == "int8-training" ? 4 : 16)));

        static void Repeat(int times, string mode)
        {
            for (var i = 0; i < times; i++)
            {
                Make(mode);
            }
        }

        static long ResidentBytes()
        {
            _ = TrimHeap(0);
            return Environment.WorkingSet;
        }

        static void Make(string mode)
        {
            using var model = nn.Sequential(nn.Linear(2048, 1024, hasBias: false));
            new BitsandbytesPrecision(mode).ConvertModule(model);
            Lora.Attach(model);
        }
    }

    // Without it, how much of what was freed the C library keeps depends on what else the process has done.
    [DllImport("libc", EntryPoint = "malloc_trim")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int TrimHeap(nuint pad);

    private static void SetLast(TwoLayers model, float value)
    {
        using var grad = no_grad();
        model.Last.weight[3, 40] = value;
    }

    private static void AssertUntouched(nn.Module model, Dictionary<string, Tensor> before)
    {
        foreach (var (name, tensor) in model.state_dict())
        {
            TensorAssert.Equal(tensor.detach(), before[name]);
        }
    }
}
