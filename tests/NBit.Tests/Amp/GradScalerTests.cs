using NBit.Amp;
using NBit.Tests.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Amp;

/// <summary>What the recorded behaviour does not cover: memory, failures, containers.</summary>
public sealed class GradScalerTests
{
    private static readonly string[] Entries =
    [
        "scale",
        "growth_factor",
        "backoff_factor",
        "growth_interval",
        "_growth_tracker",
    ];

    [TestCase("growth_factor", 1.0)]
    [TestCase("growth_factor", double.NaN)]
    [TestCase("backoff_factor", 1.0)]
    [TestCase("growth_interval", 0.0)]
    public void A_state_with_a_number_outside_its_range_is_refused_and_changes_nothing(string entry, double value)
    {
        using var scaler = new GradScaler(DeviceType.CPU, initScale: 16);
        var before = scaler.StateDict();
        var state = State();
        state[entry] = value;
        Assert.That(() => scaler.LoadStateDict(state), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(scaler.StateDict(), Is.EqualTo(before));
    }

    [Test]
    public void A_state_that_lacks_an_entry_is_refused_by_its_name_and_changes_nothing(
        [ValueSource(nameof(Entries))] string entry
    )
    {
        using var scaler = new GradScaler(DeviceType.CPU, initScale: 16);
        var before = scaler.StateDict();
        var state = State();
        state.Remove(entry);
        Assert.That(
            () => scaler.LoadStateDict(state),
            Throws
                .InstanceOf<KeyNotFoundException>()
                .With.Message.StartsWith($"'{entry}' is missing in the state of a GradScaler; it has ")
        );
        Assert.That(scaler.StateDict(), Is.EqualTo(before));
    }

    [Test]
    public void A_state_is_restored_before_and_after_the_first_scaling([Values] bool scaledBefore)
    {
        using var scaler = new GradScaler(DeviceType.CPU);
        if (scaledBefore)
        {
            scaler.Scale(tensor(1f)).Dispose();
        }

        scaler.LoadStateDict(State());
        Assert.That(scaler.StateDict(), Is.EqualTo(State()));
        using var scaled = scaler.Scale(tensor(1f));
        Assert.That(scaled.item<float>(), Is.EqualTo(4));
    }

    [TestCase(1.0, 0.5, 1)]
    [TestCase(2.0, 1.0, 1)]
    [TestCase(2.0, 0.5, 0)]
    public void Factors_outside_their_range_are_refused_where_the_scaler_is_enabled(
        double growth,
        double backoff,
        int interval
    )
    {
        Assert.That(
            () => new GradScaler(DeviceType.CPU, 2, growth, backoff, interval),
            Throws.InstanceOf<ArgumentOutOfRangeException>()
        );
        using var disabled = new GradScaler(DeviceType.CPU, 2, growth, backoff, interval, enabled: false);
        Assert.That(disabled.CurrentScale, Is.EqualTo(1));
    }

    [Test]
    public void Nested_losses_are_scaled_in_their_containers()
    {
        using var scope = NewDisposeScope();
        using var scaler = new GradScaler(DeviceType.CPU, initScale: 8);
        var losses = (main: tensor(1f), extra: new List<Tensor> { tensor(2f), tensor(3f) });
        var scaled = scaler.Scale(losses);
        Assert.That(scaled.main.item<float>(), Is.EqualTo(8));
        Assert.That(scaled.extra.ConvertAll(loss => loss.item<float>()), Is.EqualTo(new[] { 16, 24 }));
        Assert.That(losses.main.item<float>(), Is.EqualTo(1));
    }

    [Test]
    public void Nothing_to_scale_is_refused([Values(3.0, "text")] object loss)
    {
        using var scaler = new GradScaler(DeviceType.CPU);
        Assert.That(
            () => scaler.Scale(loss),
            Throws.ArgumentException.With.Message.Contains("must be a Tensor or an iterable of Tensors")
        );
    }

    [Test]
    public void Steps_leave_no_tensor_behind_also_where_they_are_skipped(
        [Values(1f, float.PositiveInfinity)] float gradient
    )
    {
        using var parameter = new Parameter(ones(3));
        using var optimizer = optim.SGD([parameter], 0.1);
        using var scaler = new GradScaler(DeviceType.CPU);
        Step(1);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                for (var repetition = 0; repetition < 20; repetition++)
                {
                    Step(gradient);
                }
            }
        );

        void Step(float value)
        {
            using var loss = tensor(1f);
            using var scaled = scaler.Scale(loss);
            using var given = full(3, value);
            parameter.grad = given;
            scaler.Unscale(optimizer);
            scaler.Step(optimizer);
            scaler.Update();
        }
    }

    [Test]
    public void Disposing_releases_all_tensors_of_the_scaler()
    {
        using var parameter = new Parameter(ones(3));
        using var optimizer = optim.SGD([parameter], 0.1);
        using var given = ones(3);
        parameter.grad = given;
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                using var loss = tensor(1f);
                var scaler = new GradScaler(DeviceType.CPU);
                scaler.Scale(loss).Dispose();
                scaler.Unscale(optimizer);
                scaler.Dispose();
                scaler.Dispose();
            }
        );
    }

    [Test]
    public void The_scale_outlives_the_dispose_scope_in_which_it_was_made()
    {
        using var scaler = new GradScaler(DeviceType.CPU, initScale: 4);
        using (NewDisposeScope())
        {
            scaler.Scale(tensor(1f));
        }

        using var scaled = scaler.Scale(tensor(2f));
        Assert.That(scaled.item<float>(), Is.EqualTo(8));
    }

    private static Dictionary<string, double> State() =>
        new(StringComparer.Ordinal)
        {
            ["scale"] = 4,
            ["growth_factor"] = 3,
            ["backoff_factor"] = 0.25,
            ["growth_interval"] = 7,
            ["_growth_tracker"] = 2,
        };
}
