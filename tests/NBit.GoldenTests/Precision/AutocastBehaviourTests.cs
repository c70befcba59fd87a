using System.Text.Json;
using NBit.Amp;
using NBit.GoldenTests.Golden;
using NBit.Testing;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>precision/autocast_ops.json: what a region does around itself, its weight cache and its warnings.</summary>
public sealed class AutocastBehaviourTests
{
    private const string File = "precision/autocast_ops.json";

    private static readonly Dictionary<string, Action<JsonElement>> Known = new(StringComparer.Ordinal)
    {
        ["leaf_f32_weight_requires_grad_cached_across_two_calls"] = static expected => CheckCached(expected, Weight()),
        ["same_with_cache_enabled_False"] = static expected => CheckCached(expected, Weight(), cacheEnabled: false),
        ["non_leaf_weight_cached"] = static expected => CheckCached(expected, Weight() * 1f),
        ["view_of_leaf_cached"] = static expected => CheckCached(expected, Weight().view(6, 8)),
        ["nested_float16_inside_bfloat16_linear"] = static expected => CheckNested(expected, ScalarType.Float16),
        ["nested_disabled_linear_f32"] = static expected => CheckNested(expected, dtype: null, enabled: false),
        ["after_inner_exit"] = CheckAfterInnerRegion,
        ["nested_disabled_linear_bf16_activation_f32_weight"] = CheckDisabledInside,
        ["nested_float16_with_weight_already_cached_as_bf16"] = CheckStaleCastOfAnotherDtype,
        ["weight_1_then_filled_with_3_in_same_region_then_new_region"] = CheckFilledWeight,
        ["output_requires_grad_after_no_grad_call_in_same_region"] = CheckGradAfterNoGrad,
        ["autocast_cpu_dtype_float32"] = static expected => CheckUnsupported(expected, ScalarType.Float32),
        ["autocast_cpu_dtype_float64"] = static expected => CheckUnsupported(expected, ScalarType.Float64),
        ["unsupported_dtype_warning"] = CheckUnsupportedWarning,
        ["autocast_device_foo"] = CheckUnknownDevice,
        ["autocast_device_cuda"] = CheckWithoutCuda,
        ["default_cpu_autocast_dtype"] = static expected =>
        {
            Assert.That(Autocast.State(DeviceType.CPU).DataType.Name(), Is.EqualTo(expected.GetString()));
            using var region = new Autocast(DeviceType.CPU);
            Assert.That(region.DataType.Name(), Is.EqualTo(expected.GetString()));
        },
        ["autocast_cpu_without_dtype_linear"] = static expected =>
        {
            using var region = new Autocast(DeviceType.CPU);
            CheckDtype(expected, Linear(Input(), Weight()));
        },
        ["grad_dtype_of_f32_weight"] = static expected => CheckDtype(expected, Train().Weight.grad!),
        ["loss_dtype_sum_of_linear"] = static expected => CheckDtype(expected, Train().Loss),
        ["linear_f64_input_f32_weight"] = static expected => CheckLinear(expected, Input().to(ScalarType.Float64)),
        ["linear_int64_input"] = static expected => CheckLinear(expected, arange(1, 9, ScalarType.Int64).reshape(1, 8)),
    };

    private static IEnumerable<TestCaseData> Cases() =>
        GoldenFolder
            .Json(File)
            .Properties("behaviours")
            .Select(entry => new TestCaseData(entry.Name, entry.Value).SetName($"autocast behaviour {entry.Name}"));

    [TestCaseSource(nameof(Cases))]
    public void A_region_behaves_as_recorded(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        if (!Known.TryGetValue(name, out var check))
        {
            Assert.Fail($"{File} has a behaviour '{name}' that this test does not know");
            return;
        }

        check(expected);
        Assert.That(Autocast.Current(DeviceType.CPU), Is.Null, "no region is left");
    }

    private static Parameter Weight() => new(randn(6, 8));

    private static Tensor Input() => randn(4, 8);

    private static Tensor Linear(Tensor input, Tensor weight) => nn.functional.linear(input, weight);

    private static void Fill(Tensor weight, float value)
    {
        using var grad = no_grad();
        weight.fill_(value);
    }

    private static void CheckFlag(JsonElement expected, bool value) =>
        Assert.That(value, Is.EqualTo(expected.GetBoolean()));

    private static void CheckDtype(JsonElement expected, Tensor tensor) =>
        Assert.That(tensor.dtype.Name(), Is.EqualTo(expected.GetString()));

    private static void CheckError(JsonElement expected, Func<Tensor> call)
    {
        var error = Assert.Catch<System.Runtime.InteropServices.ExternalException>(() => call());
        Outcome.CheckError(expected, error);
    }

    // A change of the weight between two uses is not seen where both use one cast.
    private static void CheckCached(JsonElement expected, Tensor weight, bool cacheEnabled = true)
    {
        var input = ones(4, 8);
        using var region = new Autocast(DeviceType.CPU, ScalarType.BFloat16, cacheEnabled: cacheEnabled);
        var before = Linear(input, weight);
        Fill(weight, 3);
        var after = Linear(input, weight);
        var fresh = full([4, 6], 24f, ScalarType.BFloat16);
        Assert.That(before.Equals(fresh), Is.False);
        Assert.That(after.Equals(expected.GetBoolean() ? before : fresh), Is.True);
    }

    private static void CheckNested(JsonElement expected, ScalarType? dtype, bool enabled = true)
    {
        var weight = Weight().detach();
        using var outer = new Autocast(DeviceType.CPU, ScalarType.BFloat16);
        Linear(Input(), weight);
        using var inner = new Autocast(DeviceType.CPU, dtype, enabled);
        CheckDtype(expected, Linear(Input(), weight));
    }

    private static void CheckAfterInnerRegion(JsonElement expected)
    {
        var weight = Weight().detach();
        using var outer = new Autocast(DeviceType.CPU, ScalarType.BFloat16);
        using (new Autocast(DeviceType.CPU, ScalarType.Float16))
        {
            Linear(Input(), weight);
        }

        CheckDtype(expected, Linear(Input(), weight));
    }

    private static void CheckDisabledInside(JsonElement expected)
    {
        var weight = Weight().detach();
        using var outer = new Autocast(DeviceType.CPU, ScalarType.BFloat16);
        var activation = Linear(Input(), weight).reshape(-1)[..8].reshape(1, 8);
        using var inner = new Autocast(DeviceType.CPU, enabled: false);
        CheckError(expected, () => Linear(activation, weight));
    }

    private static void CheckStaleCastOfAnotherDtype(JsonElement expected)
    {
        var weight = Weight();
        using var outer = new Autocast(DeviceType.CPU, ScalarType.BFloat16);
        Linear(Input(), weight);
        using var inner = new Autocast(DeviceType.CPU, ScalarType.Float16);
        CheckError(expected, () => Linear(Input(), weight));
    }

    private static void CheckFilledWeight(JsonElement expected)
    {
        var weight = new Parameter(ones(1, 1));
        var values = new List<double>();
        void Use() => values.Add(Linear(ones(1, 1), weight).to(ScalarType.Float64).item<double>());
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            Use();
            Fill(weight, 3);
            Use();
        }

        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            Use();
        }

        Assert.That(values, Is.EqualTo(expected.Numbers()));
    }

    // Plain libtorch 2.10 gives false here.
    private static void CheckGradAfterNoGrad(JsonElement expected)
    {
        var weight = Weight();
        using var region = new Autocast(DeviceType.CPU, ScalarType.BFloat16);
        Assert.That(region.CacheEnabled, Is.True);
        using (no_grad())
        {
            Linear(Input(), weight);
        }

        CheckFlag(expected, Linear(Input(), weight).requires_grad);
    }

    private static void CheckUnsupported(JsonElement expected, ScalarType dtype)
    {
        using var log = new CapturedLog();
        using var region = new Autocast(DeviceType.CPU, dtype);
        CheckFlag(expected.Get("enabled")!.Value, region.Enabled);
        CheckFlag(expected.Get("enabled")!.Value, Autocast.State(DeviceType.CPU).Enabled);
        CheckDtype(expected.Get("linear")!.Value, Linear(Input(), Weight()));
    }

    private static void CheckUnsupportedWarning(JsonElement expected)
    {
        using var log = new CapturedLog();
        using var region = new Autocast(DeviceType.CPU, ScalarType.Float32);
        Assert.That(log.Warnings, Is.EqualTo(expected.EnumerateArray().Select(warning => warning.GetString())));
    }

    // Python refuses the text; C# has no value for it.
    private static void CheckUnknownDevice(JsonElement expected)
    {
        Assert.That(expected.Text("error"), Is.EqualTo("RuntimeError"));
        var error = Assert.Throws<ArgumentException>(() => new Autocast((DeviceType)99, ScalarType.Float16).Dispose());
        Assert.That(error.Message, Does.Contain("99").And.Contains("CPU").And.Contains("CUDA"));
    }

    private static void CheckWithoutCuda(JsonElement expected)
    {
        if (cuda.is_available())
        {
            Assert.Ignore("this machine has CUDA; the case is about machines without");
        }

        using var log = new CapturedLog();
        using var region = new Autocast(DeviceType.CUDA, ScalarType.Float16);
        CheckFlag(expected.Get("enabled")!.Value, region.Enabled);
        Assert.That(log.Warnings, Is.EqualTo(expected.Items("warnings").Select(WithoutXla)));
        static string WithoutXla(JsonElement warning) =>
            warning.GetString()!.Replace(" or torch_xla is imported", "", StringComparison.Ordinal);
    }

    private static (Tensor Loss, Parameter Weight) Train()
    {
        var weight = Weight();
        Tensor loss;
        using (new Autocast(DeviceType.CPU, ScalarType.BFloat16))
        {
            loss = Linear(Input(), weight).sum();
        }

        loss.backward();
        return (loss, weight);
    }

    private static void CheckLinear(JsonElement expected, Tensor input)
    {
        using var region = new Autocast(DeviceType.CPU, ScalarType.BFloat16);
        CheckError(expected, () => Linear(input, Weight().detach()));
    }
}
