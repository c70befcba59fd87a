using System.Text.Json;
using NBit.Amp;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Compares a precision mode with what was recorded of Lightning's plugin.</summary>
internal static class ModeRecord
{
    private static readonly Dictionary<string, Type> Plugins = new(StringComparer.Ordinal)
    {
        ["Precision"] = typeof(SinglePrecision),
        ["DoublePrecision"] = typeof(DoublePrecision),
        ["HalfPrecision"] = typeof(HalfPrecision),
        ["MixedPrecision"] = typeof(MixedPrecision),
        ["BitsandbytesPrecision"] = typeof(BitsandbytesPrecision),
    };

    /// <param name="recorded">The plugin's record.</param>
    /// <param name="mode">NBit's mode.</param>
    /// <param name="fabric">Whether Fabric's plugin was recorded, or the Trainer's.</param>
    /// <param name="path">The record's path in precision_inputs.json, where rules may say otherwise.</param>
    public static void Check(JsonElement recorded, PrecisionMode mode, bool fabric, string path = "")
    {
        Assert.That(recorded.Text("outcome"), Is.EqualTo("ok"), "an error was recorded");
        Assert.That(mode, Is.InstanceOf(Plugins[recorded.Text("plugin")!]));
        if (recorded.Get("has_own_precision_string")?.GetBoolean() ?? true)
        {
            Assert.That(mode.Name, Is.EqualTo(recorded.Text("precision")));
        }

        if (mode is BitsandbytesPrecision bitsandbytes)
        {
            CheckField(recorded, path, "dtype", bitsandbytes.DataType.Name());
            Assert.That(
                bitsandbytes.IgnoreModules,
                Is.EquivalentTo(recorded.Items("ignore_modules").Select(name => name.GetString()))
            );
        }

        if (mode is MixedPrecision mixed)
        {
            Assert.That($"{mixed.Device}", Is.EqualTo(recorded.Text("device")).IgnoreCase);
            Assert.That(mixed.Scaler?.GetType().Name, Is.EqualTo(recorded.Text("scaler")));
        }

        using var scope = NewDisposeScope();
        foreach (var dtype in (ScalarType[])[ScalarType.Float32, ScalarType.Float64, ScalarType.Int64])
        {
            var input = ones(1, dtype);
            var converted = fabric ? mode.ConvertInput(input) : mode.ConvertBatch(input);
            CheckField(recorded, path, $"convert_input_{dtype.Name()}", converted.dtype.Name());
        }

        if (fabric) // the Trainer does not convert outputs
        {
            Assert.That(
                mode.ConvertOutput(ones(1, ScalarType.Float16)).dtype.Name(),
                Is.EqualTo(recorded.Text("convert_output_of_float16"))
            );
        }

        CheckContext(recorded, path, "forward_context", fabric ? mode.ForwardContext : mode.StepContext);
        CheckContext(recorded, path, "tensor_init_context", mode.TensorInitContext);
        CheckContext(recorded, path, "module_init_context", mode.ModuleInitContext);
    }

    private static void CheckField(JsonElement recorded, string path, string name, string? actual)
    {
        var rule = GoldenRules.ForJson("precision/precision_inputs.json", $"{path}/{name}");
        if (rule?.Kind != "differs" || rule.Json.Text("value") is not null)
        {
            Assert.That(actual, Is.EqualTo(rule?.Json.Text("value") ?? recorded.Text(name.Split('/')[^1])), name);
        }
    }

    private static void CheckContext(JsonElement recorded, string path, string name, Func<IDisposable> begin)
    {
        var expected = recorded.Get(name)!.Value;
        if (expected.Text("error") is not null)
        {
            // The peer makes layers quantized at once and cannot leave ignored ones out; NBit quantizes them when it
            // converts the model, so that this is an init context as any other (the first example of DESIGN).
            expected = recorded.Get("tensor_init_context")!.Value;
        }

        var before = get_default_dtype();
        using (begin())
        {
            CheckField(expected, path, $"{name}/default_dtype", get_default_dtype().Name());
            Assert.That(Autocast.Current(DeviceType.CPU)?.Name(), Is.EqualTo(expected.Text("autocast_cpu")), name);
            if (expected.Get("autocast_cache") is { } cache)
            {
                Assert.That(Autocast.State(DeviceType.CPU).CacheEnabled, Is.EqualTo(cache.GetBoolean()), name);
            }
        }

        Assert.That(get_default_dtype(), Is.EqualTo(before));
        Assert.That(Autocast.Current(DeviceType.CPU), Is.Null);
    }
}
