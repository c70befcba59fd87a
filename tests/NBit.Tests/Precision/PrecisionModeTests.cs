using NBit.Amp;
using NBit.Precision;
using NBit.Tests.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Precision;

public sealed class PrecisionModeTests
{
    [Test]
    public void Each_name_makes_the_mode_of_that_name()
    {
        foreach (var name in PrecisionModes.Names)
        {
            var mode = PrecisionModes.Create(name, DeviceType.CPU);
            // Lightning's plugin of both strings calls itself by the first one (precision_inputs.json).
            Assert.That(mode.Name, Is.EqualTo(name == "transformer-engine-float16" ? "transformer-engine" : name));
            (mode as IDisposable)?.Dispose();
        }
    }

    [Test]
    public void An_unknown_name_is_refused_with_those_there_are() =>
        Assert.That(
            () => PrecisionModes.Create("8-true", DeviceType.CPU),
            Throws
                .InstanceOf<NotSupportedException>()
                .With.Message.EqualTo(
                    $"precision '8-true' is not in this version of NBit; it has {string.Join(", ", PrecisionModes.Names)}"
                )
        );

    [TestCase("16")]
    [TestCase("bf16-true")]
    [TestCase(null)]
    public void Mixed_precision_takes_its_own_two_names_only(string? name) =>
        Assert.That(
            () => new MixedPrecision(name!, DeviceType.CPU),
            Throws
                .ArgumentException.With.Message.StartsWith("Passed `MixedPrecision(precision=")
                .And.Message.Contains("Precision must be '16-mixed' or 'bf16-mixed'.")
        );

    [Test]
    public void Bfloat16_needs_no_scaler()
    {
        using var scaler = new GradScaler(DeviceType.CPU);
        Assert.That(
            () => new MixedPrecision("bf16-mixed", DeviceType.CPU, scaler),
            Throws.ArgumentException.With.Message.StartsWith(
                "`precision='bf16-mixed'` does not use a scaler, found NBit.Amp.GradScaler."
            )
        );
    }

    [Test]
    public void Half_precision_needs_a_name() =>
        Assert.That(() => new HalfPrecision(null!), Throws.ArgumentNullException);

    [TestCase(1e-8, false)]
    [TestCase(2.98e-8, false, Description = "rounds down to 0: half of the smallest number")]
    [TestCase(6e-8, true)]
    [TestCase(1e-3, true)]
    public void An_epsilon_that_is_0_in_float16_is_refused(double epsilon, bool allowed)
    {
        using var model = nn.Linear(2, 2);
        using var optimizer = optim.AdamW(model.parameters(), eps: epsilon);
        Assert.That(
            () => new HalfPrecision("bf16-true").CheckOptimizer(optimizer, clipsGradients: true),
            Throws.Nothing
        );
        if (allowed)
        {
            Assert.That(() => new HalfPrecision().CheckOptimizer(optimizer, clipsGradients: false), Throws.Nothing);
        }
        else
        {
            Assert.That(
                () => new HalfPrecision().CheckOptimizer(optimizer, clipsGradients: false),
                Throws
                    .InstanceOf<NotSupportedException>()
                    .With.Message.Contains("which is 0 in float16, the dtype of its parameters")
            );
        }
    }

    [Test]
    public void An_epsilon_of_any_parameter_group_counts()
    {
        using Linear first = nn.Linear(2, 2),
            second = nn.Linear(2, 2);
        using var optimizer = optim.AdamW(first.parameters(), eps: 1e-3);
        optimizer.add_param_group(new AdamW.ParamGroup(second.parameters(), eps: 1e-8));
        Assert.That(
            () => new HalfPrecision().CheckOptimizer(optimizer, clipsGradients: false),
            Throws.InstanceOf<NotSupportedException>()
        );
    }

    [Test]
    public void Converting_casts_gradients_with_their_parameters_and_leaves_nothing_behind(
        [Values("64-true", "bf16-true", "16-true")] string name
    )
    {
        using var mode = new ModeScope(PrecisionModes.Create(name, DeviceType.CPU));
        using var model = nn.Linear(2, 3);
        using (var loss = model.forward(ones(1, 2)).sum())
        {
            loss.backward();
        }

        var (weight, bias) = (model.weight, model.bias);
        TensorCount.AssertChangedBy(0, () => mode.Mode.ConvertModule(model));
        Assert.That(model.weight, Is.SameAs(weight));
        Assert.That(model.bias, Is.SameAs(bias));
        using var gradient = model.weight.grad!;
        Assert.That(gradient.dtype, Is.EqualTo(model.weight.dtype));
        Assert.That(gradient.to(ScalarType.Float32).data<float>().ToArray(), Is.All.EqualTo(1));
        Assert.That(model.weight.requires_grad, Is.True);
    }

    [Test]
    public void Tied_weights_stay_tied()
    {
        using Linear first = nn.Linear(3, 3, hasBias: false),
            second = nn.Linear(3, 3, hasBias: false);
        second.weight = first.weight;
        using var model = nn.Sequential(first, second);
        new HalfPrecision("bf16-true").ConvertModule(model);
        Assert.That(second.weight, Is.SameAs(first.weight));
        Assert.That(model.parameters().Single().dtype, Is.EqualTo(ScalarType.BFloat16));
    }

    private sealed class ModeScope(PrecisionMode mode) : IDisposable
    {
        public PrecisionMode Mode => mode;

        public void Dispose() => (mode as IDisposable)?.Dispose();
    }
}
