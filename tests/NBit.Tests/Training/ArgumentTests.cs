using NBit.Precision;
using NBit.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>What the constructors of Fabric and Trainer refuse, and how they say it.</summary>
public sealed class ArgumentTests
{
    public enum Owner
    {
        Fabric,
        Trainer,
    }

    private static IEnumerable<TestCaseData> TrainerArguments() =>
        new (Func<Trainer> Make, string Message)[]
        {
            (() => new Trainer(maxEpochs: -1), "maxEpochs is -1; allowed is 0 or more, or null"),
            (() => new Trainer(maxSteps: -1), "maxSteps is -1; allowed is 0 or more, or null"),
            (() => new Trainer(limitTrainBatches: -1), "limitTrainBatches is -1; allowed is 0 or more, or null"),
            (() => new Trainer(limitValBatches: -1), "limitValBatches is -1; allowed is 0 or more, or null"),
            (() => new Trainer(limitTestBatches: -1), "limitTestBatches is -1; allowed is 0 or more, or null"),
            (() => new Trainer(limitPredictBatches: -1), "limitPredictBatches is -1; allowed is 0 or more, or null"),
            (
                () => new Trainer(valCheckInterval: 0),
                "valCheckInterval is 0; allowed is 1 or more batches, or null for the end of the epoch"
            ),
            (() => new Trainer(checkValEveryNEpoch: 0), "checkValEveryNEpoch is 0; allowed is 1 or more"),
            (() => new Trainer(accumulateGradBatches: 0), "accumulateGradBatches is 0; allowed is 1 or more"),
            (() => new Trainer(logEveryNSteps: 0), "logEveryNSteps is 0; allowed is 1 or more"),
            (() => new Trainer(gradientClipVal: double.NaN), "gradientClipVal is NaN; allowed is a number or null"),
            (
                () => new Trainer(gradientClipAlgorithm: (GradientClipAlgorithm)7),
                "`gradient_clip_algorithm` 7 is invalid. Allowed algorithms: Norm, Value."
            ),
        }.Select(argument => new TestCaseData(argument.Make, argument.Message).SetArgDisplayNames(argument.Message));

    [TestCaseSource(nameof(TrainerArguments))]
    public void A_number_outside_its_range_is_refused_by_name(Func<Trainer> make, string message) =>
        Assert.That(() => make(), Throws.ArgumentException.With.Message.StartsWith(message));

    [Test]
    public void A_precision_and_a_plugin_together_are_refused(
        [Values] Owner owner,
        [Values("32-true", "16-mixed")] string precision
    )
    {
        using var plugin = new MixedPrecision("bf16-mixed", DeviceType.CPU);
        Assert.That(
            () => Make(owner, precision, plugin),
            Throws.ArgumentException.With.Message.StartsWith(
                $"Received both `precision={precision}` and `plugin={typeof(MixedPrecision)}`. Choose one."
            )
        );
    }

    [Test]
    public void A_plugin_alone_is_the_precision([Values] Owner owner)
    {
        var plugin = new HalfPrecision("bf16-true");
        Assert.That(Make(owner, default, plugin), Is.SameAs(plugin));
    }

    [Test]
    public void Nothing_given_is_float32([Values] Owner owner) =>
        Assert.That(Make(owner), Is.InstanceOf<SinglePrecision>());

    [Test]
    public void An_unknown_accelerator_is_refused_with_those_that_are_allowed(
        [Values] Owner owner,
        [Values("", "CPU", "tpu")] string accelerator
    ) =>
        Assert.That(
            () => Make(owner, accelerator: accelerator),
            Throws.ArgumentException.With.Message.StartsWith(
                $"accelerator is '{accelerator}'; allowed are 'auto', 'cpu' and 'gpu' (or 'cuda')"
            )
        );

    [Test]
    public void A_missing_gpu_is_refused_with_a_remedy([Values] Owner owner, [Values("gpu", "cuda")] string accelerator)
    {
        if (cuda.is_available())
        {
            Assert.Ignore("this machine has CUDA; the case is about machines without");
        }

        Assert.That(
            () => Make(owner, accelerator: accelerator),
            Throws
                .InstanceOf<NotSupportedException>()
                .With.Message.EqualTo(
                    $"accelerator '{accelerator}' with device 0: this machine has 0 CUDA devices that libtorch can use. "
                        + "Use accelerator 'cpu' or 'auto', or reference a CUDA build of libtorch."
                )
        );
    }

    [Test]
    public void A_second_cpu_is_refused([Values] Owner owner) =>
        Assert.That(
            () => Make(owner, devices: new[] { 1 }),
            Throws.ArgumentException.With.Message.StartsWith("devices is [1], but there is one CPU: use 1")
        );

    [TestCase(0, "devices is 0; allowed are 1, or one index of 0 or more, e.g. [0]")]
    [TestCase(-1, "devices is -1; allowed are 1, or one index of 0 or more, e.g. [0]")]
    public void Fewer_than_one_device_is_refused(int count, string message) =>
        Assert.That(() => (DevicesInput)count, Throws.ArgumentException.With.Message.EqualTo(message));

    [TestCase(new int[0], "devices is []; allowed are 1, or one index of 0 or more, e.g. [0]")]
    [TestCase(new[] { -1 }, "devices is [-1]; allowed are 1, or one index of 0 or more, e.g. [0]")]
    public void An_index_that_cannot_be_is_refused(int[] indices, string message) =>
        Assert.That(() => (DevicesInput)indices, Throws.ArgumentException.With.Message.EqualTo(message));

    [Test]
    public void More_than_one_device_is_refused_as_not_supported_yet()
    {
        const string Message = ": more than one device is not supported yet; use 1, or one index, e.g. [0]";
        Assert.That(
            () => (DevicesInput)2,
            Throws.InstanceOf<NotSupportedException>().With.Message.EqualTo("devices is 2" + Message)
        );
        Assert.That(
            () => (DevicesInput)new[] { 0, 1 },
            Throws.InstanceOf<NotSupportedException>().With.Message.EqualTo("devices is [0, 1]" + Message)
        );
        Assert.That(() => (DevicesInput)(int[])null!, Throws.ArgumentNullException);
    }

    [Test]
    public void The_default_is_one_device_of_index_0()
    {
        foreach (var devices in (DevicesInput[])[default, 1, new[] { 0 }])
        {
            Assert.That((devices.Count, devices.Index), Is.EqualTo((1, 0)));
        }

        DevicesInput other = new[] { 3 };
        Assert.That((other.Count, other.Index), Is.EqualTo((1, 3)));
    }

    private static PrecisionMode Make(
        Owner owner,
        PrecisionInput precision = default,
        PrecisionMode? plugin = null,
        string accelerator = "cpu",
        DevicesInput devices = default
    )
    {
        if (owner == Owner.Fabric)
        {
            using var fabric = new Fabric(precision, plugin, accelerator, devices);
            return fabric.Precision;
        }

        using var trainer = new Trainer(precision, plugin, accelerator, devices, enableProgressBar: false);
        return trainer.Precision;
    }
}
