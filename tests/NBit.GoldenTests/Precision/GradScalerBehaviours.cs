using System.Text.Json;
using NBit.Amp;
using NBit.GoldenTests.Golden;
using NBit.Testing;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>The calls whose outcomes gradscaler.json records, by the names that it gives them.</summary>
internal static class GradScalerBehaviours
{
    private static readonly IReadOnlyDictionary<string, double> OtherState = new Dictionary<string, double>(
        StringComparer.Ordinal
    )
    {
        ["scale"] = 3,
        ["growth_factor"] = 4,
        ["backoff_factor"] = 0.25,
        ["growth_interval"] = 9,
        ["_growth_tracker"] = 5,
    };

    private static readonly Dictionary<string, Func<object?>> Calls = new(StringComparer.Ordinal)
    {
        ["growth_factor=1.0"] = static () => new GradScaler(DeviceType.CPU, growthFactor: 1),
        ["backoff_factor=1.0"] = static () => new GradScaler(DeviceType.CPU, backoffFactor: 1),
        ["init_scale=0"] = static () => Run(["scale"], initScale: 0),
        ["step(optimizer, closure=...)"] = static () =>
            WithGradients((scaler, optimizer) => scaler.Step(optimizer, () => tensor(0f))),
        ["load_state_dict({})"] = static () =>
            Load(new GradScaler(DeviceType.CPU), new Dictionary<string, double>(StringComparer.Ordinal)),
        ["load_state_dict({}) | enabled=False"] = static () =>
            Load(
                new GradScaler(DeviceType.CPU, enabled: false),
                new Dictionary<string, double>(StringComparer.Ordinal)
            ),
        ["load_state_dict(missing growth_factor)"] = static () =>
            Load(
                new GradScaler(DeviceType.CPU),
                new Dictionary<string, double>(StringComparer.Ordinal) { ["scale"] = 2 }
            ),
        ["load_state_dict after the first scale()"] = static () =>
        {
            var scaler = new GradScaler(DeviceType.CPU);
            scaler.Scale(tensor(1f));
            scaler.LoadStateDict(OtherState);
            return scaler.StateDict();
        },
        ["scale(int tensor)"] = static () => new GradScaler(DeviceType.CPU).Scale(tensor(2L)).item<float>(),
        ["scale(3.0) (a plain number)"] = static () => new GradScaler(DeviceType.CPU).Scale(3.0),
        ["scale(list of tensors)"] = static () =>
            new GradScaler(DeviceType.CPU, initScale: 2)
                .Scale(new List<Tensor> { tensor(1f), tensor(3f) })
                .Select(scaled => (double)scaled.item<float>())
                .ToArray(),
        ["scale of 1-dim float16 value 1 with 65536"] = static () =>
            new GradScaler(DeviceType.CPU).Scale(ones(1, ScalarType.Float16)).to(ScalarType.Float64).item<double>(),
        ["update(tensor(5.0))"] = static () => UpdateBy(tensor(5f)),
        ["update(tensor([5.0, 6.0]))"] = static () => UpdateBy(tensor(new[] { 5f, 6f })),
        ["update(tensor(5.0, requires_grad=True))"] = static () => UpdateBy(tensor(5f, requires_grad: true)),
        ["update(tensor(5.0, float64))"] = static () => UpdateBy(tensor(5.0)),
        ["update(0.0)"] = static () =>
            WithGradients(
                (scaler, optimizer) =>
                {
                    scaler.Step(optimizer);
                    scaler.Update(0.0);
                    return scaler.CurrentScale;
                }
            ),
        ["setters"] = static () =>
        {
            var scaler = new GradScaler(DeviceType.CPU)
            {
                GrowthFactor = 3,
                BackoffFactor = 0.1,
                GrowthInterval = 4,
            };
            return new Dictionary<string, double>(StringComparer.Ordinal)
            {
                ["growth_factor"] = scaler.GrowthFactor,
                ["backoff_factor"] = scaler.BackoffFactor,
                ["growth_interval"] = scaler.GrowthInterval,
            };
        },
    };

    public static void Check(string name, JsonElement expected)
    {
        if (Calls.TryGetValue(name, out var call))
        {
            Outcome.Check(expected, call);
        }
        else if (name == "update(7)")
        {
            // Python fails on an int; C# has no such overload, and makes a double of it.
            Assert.That(
                typeof(GradScaler)
                    .GetMethods()
                    .Where(method => method.Name == nameof(GradScaler.Update))
                    .SelectMany(method => method.GetParameters())
                    .Select(parameter => parameter.ParameterType),
                Has.None.EqualTo(typeof(int))
            );
        }
        else if (name == "device=cuda without CUDA")
        {
            CheckWithoutCuda(expected);
        }
        else if (name == "load_state_dict before the first scale()")
        {
            CheckEarlyLoad(expected.Get("ok")!.Value);
        }
        else if (name.StartsWith("dtype of scale(", StringComparison.Ordinal))
        {
            var words = name["dtype of scale(".Length..^1].Split(' ');
            var input = ones(words[0] == "0-dim" ? [] : [1], DtypeNames.Parse(words[1]));
            Assert.That(
                $"torch.{new GradScaler(DeviceType.CPU).Scale(input).dtype.Name()}",
                Is.EqualTo(expected.Text("ok"))
            );
        }
        else
        {
            CheckSequence(name, expected);
        }
    }

    // "scale step update | enabled=False", "scale unscale | grads float16"
    private static void CheckSequence(string name, JsonElement expected)
    {
        var parts = name.Split(" | ");
        var option = parts.Length > 1 ? parts[1] : "";
        var dtype = option.StartsWith("grads ", StringComparison.Ordinal)
            ? DtypeNames.Parse(option["grads ".Length..])
            : ScalarType.Float32;
        Outcome.Check(expected, () => Run(parts[0].Split(' '), dtype: dtype, enabled: option != "enabled=False"));
    }

    private static object? Run(
        string[] actions,
        ScalarType dtype = ScalarType.Float32,
        bool enabled = true,
        double initScale = 65536
    )
    {
        var parameters = new List<Parameter> { GradScalerTests.Parameter([1, 2, 3], [3], dtype) };
        parameters[0].grad = ones(3, dtype);
        using var optimizer = optim.SGD(parameters, 0.1);
        using var scaler = new GradScaler(DeviceType.CPU, initScale, enabled: enabled);
        object? result = null;
        foreach (var action in actions)
        {
            result = Act(action);
        }

        return result;

        object? Act(string action)
        {
            switch (action)
            {
                case "scale":
                    return scaler.Scale(tensor(1f)).item<float>();
                case "unscale":
                    scaler.Unscale(optimizer);
                    return null;
                case "step":
                    return scaler.Step(optimizer);
                case "update":
                    scaler.Update();
                    return null;
                case "zero":
                    parameters.ForEach(parameter => parameter.grad = null);
                    return null;
                case "get_scale":
                    return scaler.CurrentScale;
                case "state":
                    return scaler.StateDict();
                default:
                    throw new ArgumentException(
                        $"gradscaler.json has an action '{action}' that this test does not know"
                    );
            }
        }
    }

    private static object? Load(GradScaler scaler, IReadOnlyDictionary<string, double> state)
    {
        scaler.LoadStateDict(state);
        return null;
    }

    private static object? WithGradients(Func<GradScaler, optim.Optimizer, object?> act)
    {
        var parameter = GradScalerTests.Parameter([1, 2, 3], [3]);
        parameter.grad = ones(3);
        using var optimizer = optim.SGD([parameter], 0.1);
        using var scaler = new GradScaler(DeviceType.CPU);
        scaler.Scale(tensor(1f));
        return act(scaler, optimizer);
    }

    private static object? UpdateBy(Tensor newScale) =>
        WithGradients(
            (scaler, optimizer) =>
            {
                scaler.Step(optimizer);
                scaler.Update(newScale);
                return scaler.CurrentScale;
            }
        );

    private static void CheckWithoutCuda(JsonElement expected)
    {
        if (cuda.is_available())
        {
            Assert.Ignore("this machine has CUDA; the case is about machines without");
        }

        using var log = new CapturedLog();
        Assert.That(new GradScaler(DeviceType.CUDA).Enabled, Is.EqualTo(expected.Get("ok")!.Value.GetBoolean()));
        Assert.That(log.Warnings, Has.Count.EqualTo(expected.Items("warnings").Count()));
        Assert.That(log.Warnings[0], Does.Contain("CUDA is not available.  Disabling."));
    }

    private static void CheckEarlyLoad(JsonElement expected)
    {
        var scaler = new GradScaler(DeviceType.CPU);
        scaler.LoadStateDict(OtherState);
        GradScalerTests.AssertState(scaler.StateDict(), expected.Get("before_first_scale")!.Value);
        Assert.That(scaler.Scale(tensor(1f)).item<float>(), Is.EqualTo(expected.Number("scaled_one")));
        GradScalerTests.AssertState(scaler.StateDict(), expected.Get("after")!.Value);
    }
}
