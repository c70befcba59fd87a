using System.Text.Json;
using NBit.Amp;
using NBit.GoldenTests.Golden;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>
/// precision/gradscaler.json: scripted runs of torch.amp.GradScaler, compared step by step, and its errors.
/// </summary>
public sealed class GradScalerTests
{
    private const string File = "precision/gradscaler.json";
    private static readonly JsonElement Recorded = GoldenFolder.Json(File);

    private static IEnumerable<TestCaseData> Trajectories() =>
        Recorded
            .Items("trajectories")
            .Select(run => new TestCaseData(run).SetName($"gradscaler trajectory {run.Text("name")}"));

    private static IEnumerable<TestCaseData> Behaviours() =>
        Recorded
            .Properties("behaviours")
            .Select(entry => new TestCaseData(entry.Name, entry.Value).SetName($"gradscaler behaviour {entry.Name}"));

    [TestCaseSource(nameof(Trajectories))]
    public void A_trajectory_is_reproduced(JsonElement run)
    {
        using var scope = NewDisposeScope();
        var shapes = run.Items("param_shapes")
            .Select(shape => shape.Numbers().Select(size => (long)size).ToArray())
            .ToList();
        var parameters = run.Items("initial_params")
            .Zip(shapes, (values, shape) => Parameter(values.Numbers(), shape))
            .ToList();
        using var optimizer = MakeOptimizer(run.Text("optimizer")!, parameters, run.Number("lr")!.Value);
        using var scaler = MakeScaler(run.Get("settings")!.Value);
        foreach (var step in run.Items("steps"))
        {
            Replay(run, step, scaler, optimizer, parameters, shapes);
        }

        AssertState(scaler.StateDict(), run.Get("state_dict_after")!.Value);
    }

    [Test]
    public void The_scale_moves_as_recorded_over_a_long_run_with_the_defaults()
    {
        if (Recorded.Get("long_run_defaults") is not { } run)
        {
            Assert.Fail($"{File} holds no long run");
            return;
        }

        using var scope = NewDisposeScope();
        var parameters = new List<Parameter> { Parameter([1, 1, 1], [3]) };
        using var optimizer = optim.SGD(parameters, 0);
        using var scaler = new GradScaler(DeviceType.CPU);
        var changes = new List<(int Step, double Scale, int Tracker)>();
        var previous = double.NaN;
        for (var i = 0; i < (int)run.Number("steps")!; i++)
        {
            using var inner = NewDisposeScope();
            scaler.Scale(tensor(1f));
            parameters[0].grad = full([3], i == 2500 ? float.PositiveInfinity : 1f);
            scaler.Step(optimizer);
            scaler.Update();
            if (scaler.CurrentScale != previous)
            {
                changes.Add((i, previous = scaler.CurrentScale, scaler.GrowthTracker));
            }
        }

        var expected = run.Items("scale_changes")
            .Select(change =>
                (
                    (int)change.Number("after_step")!,
                    change.Number("scale")!.Value,
                    (int)change.Number("growth_tracker")!
                )
            );
        Assert.That(changes, Is.EqualTo(expected));
        Assert.That(scaler.GrowthTracker, Is.EqualTo((int)run.Number("growth_tracker_end")!));
    }

    [Test]
    public void Of_two_optimizers_only_the_one_with_an_overflow_skips()
    {
        using var scope = NewDisposeScope();
        Parameter first = Parameter([0, 0, 0], [3]),
            second = Parameter([0, 0, 0], [3]);
        using var firstOptimizer = optim.SGD([first], 0.5);
        using var secondOptimizer = optim.SGD([second], 0.5);
        using var scaler = new GradScaler(DeviceType.CPU, initScale: 8, growthInterval: 2);
        var steps = Recorded.Items("two_optimizers").ToList();
        Assert.That(steps, Is.Not.Empty);
        foreach (var step in steps)
        {
            scaler.Scale(tensor(1f));
            Assert.That(scaler.CurrentScale, Is.EqualTo(step.Number("scale_before")));
            SetGradient(first, step.Get("inf_in_opt1")!.Value.GetBoolean());
            SetGradient(second, step.Get("inf_in_opt2")!.Value.GetBoolean());
            var before = (first.clone(), second.clone());
            scaler.Step(firstOptimizer);
            scaler.Step(secondOptimizer);
            scaler.Update();
            Assert.That(
                new[] { !first.Equals(before.Item1), !second.Equals(before.Item2) },
                Is.EqualTo(step.Items("stepped").Select(item => item.GetBoolean()))
            );
            Assert.That(scaler.CurrentScale, Is.EqualTo(step.Number("scale_after")));
            Assert.That(scaler.GrowthTracker, Is.EqualTo(step.Number("growth_tracker_after")));
        }

        void SetGradient(Parameter parameter, bool overflow)
        {
            var gradient = ones(3) * (float)scaler.CurrentScale;
            if (overflow)
            {
                gradient[0] = float.PositiveInfinity;
            }

            parameter.grad = gradient;
        }
    }

    [TestCaseSource(nameof(Behaviours))]
    public void A_call_gives_what_was_recorded(string name, JsonElement expected)
    {
        using var scope = NewDisposeScope();
        GradScalerBehaviours.Check(name, expected);
    }

    internal static void AssertState(IReadOnlyDictionary<string, double> state, JsonElement expected) =>
        Assert.That(
            state,
            Is.EquivalentTo(
                expected
                    .EnumerateObject()
                    .ToDictionary(entry => entry.Name, entry => entry.Value.Number(), StringComparer.Ordinal)
            )
        );

    internal static Parameter Parameter(double[] values, long[] shape, ScalarType dtype = ScalarType.Float32) =>
        new(tensor(values, dtype: ScalarType.Float64).to(dtype).reshape(shape));

    private static GradScaler MakeScaler(JsonElement settings) =>
        new(
            DeviceType.CPU,
            settings.Number("init_scale") ?? 65536,
            settings.Number("growth_factor") ?? 2,
            settings.Number("backoff_factor") ?? 0.5,
            (int)(settings.Number("growth_interval") ?? 2000),
            settings.Get("enabled")?.GetBoolean() ?? true
        );

    private static optim.Optimizer MakeOptimizer(string name, List<Parameter> parameters, double rate) =>
        name switch
        {
            "sgd" => optim.SGD(parameters, rate),
            "sgd_momentum" => optim.SGD(parameters, rate, momentum: 0.9),
            "adamw" => optim.AdamW(parameters, rate, weight_decay: 0.01), // PyTorch's default, TorchSharp's is 0
            _ => throw new ArgumentException($"{File} has an optimizer {name} that this test does not know"),
        };

    private static void Replay(
        JsonElement run,
        JsonElement step,
        GradScaler scaler,
        optim.Optimizer optimizer,
        List<Parameter> parameters,
        List<long[]> shapes
    )
    {
        using var scope = NewDisposeScope();
        var scaled = scaler.Scale(tensor(1f));
        Assert.That(scaled.item<float>(), Is.EqualTo((float)step.Number("scaled_loss")!));
        Assert.That(scaler.CurrentScale, Is.EqualTo(step.Number("scale_before")));
        foreach (var (parameter, gradient, shape) in parameters.Zip(step.Items("grads_scaled"), shapes))
        {
            parameter.grad = tensor(gradient.Numbers().Select(value => (float)value).ToArray()).reshape(shape);
        }

        Clip(run, step, scaler, optimizer, parameters);
        var before = parameters.Select(parameter => parameter.clone()).ToList();
        scaler.Step(optimizer);
        if (step.Get("found_inf") is { } found)
        {
            Assert.That(
                scaler.FoundInf(optimizer).Values,
                Is.EqualTo(found.EnumerateObject().Select(entry => (float)entry.Value.Number()))
            );
        }

        if (step.Number("update_new_scale") is { } newScale)
        {
            scaler.Update(newScale);
        }
        else
        {
            scaler.Update();
        }

        Assert.That(
            parameters.Zip(before).Any(pair => !pair.First.Equals(pair.Second)),
            Is.EqualTo(step.Get("did_step")!.Value.GetBoolean())
        );
        Assert.That(scaler.CurrentScale, Is.EqualTo(step.Number("scale_after")));
        Assert.That(scaler.GrowthTracker, Is.EqualTo(step.Number("growth_tracker_after") ?? 0));
        AssertTensors(parameters.Select(parameter => parameter.grad!), step.Items("grads_left"), exact: true);
        AssertTensors(parameters, step.Items("params"), exact: run.Text("optimizer") != "adamw");
    }

    private static void Clip(
        JsonElement run,
        JsonElement step,
        GradScaler scaler,
        optim.Optimizer optimizer,
        List<Parameter> parameters
    )
    {
        double? norm = run.Number("clip_norm"),
            value = run.Number("clip_value");
        if (run.Get("explicit_unscale")!.Value.GetBoolean() || norm is not null || value is not null)
        {
            scaler.Unscale(optimizer);
            AssertTensors(
                parameters.Select(parameter => parameter.grad!),
                step.Items("grads_after_unscale"),
                exact: true
            );
        }

        if (norm is not null)
        {
            Assert.That(
                nn.utils.clip_grad_norm_(parameters, norm.Value),
                Is.EqualTo(step.Number("total_norm")!.Value).Within(1).Ulps
            );
        }

        if (value is not null)
        {
            nn.utils.clip_grad_value_(parameters, value.Value);
        }
    }

    // TorchSharp's AdamW moves its moments by mul and add, PyTorch's by lerp: an ulp a step. The README allows 2e-5.
    private static void AssertTensors(IEnumerable<Tensor> tensors, IEnumerable<JsonElement> expected, bool exact)
    {
        foreach (var (tensor, values) in tensors.Zip(expected))
        {
            var numbers = values.Numbers().Select(value => (float)value).ToArray();
            Assert.That(
                tensor.data<float>().ToArray(),
                exact ? Is.EqualTo(numbers) : Is.EqualTo(numbers).Within(1e-6f)
            );
        }
    }
}
