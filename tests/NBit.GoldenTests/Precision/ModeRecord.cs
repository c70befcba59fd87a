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
    };

    /// <param name="recorded">The plugin's record.</param>
    /// <param name="mode">NBit's mode.</param>
    /// <param name="fabric">Whether Fabric's plugin was recorded, or the Trainer's.</param>
    public static void Check(JsonElement recorded, PrecisionMode mode, bool fabric)
    {
        Assert.That(recorded.Text("outcome"), Is.EqualTo("ok"), "an error was recorded");
        Assert.That(mode, Is.InstanceOf(Plugins[recorded.Text("plugin")!]));
        Assert.That(mode.Name, Is.EqualTo(recorded.Text("precision")));
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
            Assert.That(converted.dtype.Name(), Is.EqualTo(recorded.Text($"convert_input_{dtype.Name()}")));
        }

        if (fabric) // the Trainer does not convert outputs
        {
            Assert.That(
                mode.ConvertOutput(ones(1, ScalarType.Float16)).dtype.Name(),
                Is.EqualTo(recorded.Text("convert_output_of_float16"))
            );
        }

        CheckContext(recorded, "forward_context", fabric ? mode.ForwardContext : mode.StepContext);
        CheckContext(recorded, "tensor_init_context", mode.TensorInitContext);
        CheckContext(recorded, "module_init_context", mode.ModuleInitContext);
    }

    private static void CheckContext(JsonElement recorded, string name, Func<IDisposable> begin)
    {
        var expected = recorded.Get(name)!.Value;
        var before = get_default_dtype();
        using (begin())
        {
            Assert.That(get_default_dtype().Name(), Is.EqualTo(expected.Text("default_dtype")), name);
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
