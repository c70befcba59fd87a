using NBit.Amp;
using NBit.Precision;
using NBit.Quantization;
using NBit.Testing;
using NBit.Tests.Checkpoints;
using NBit.Tests.Training;
using NBit.Tests.TransformerEngine;
using NBit.Training;
using NBit.TransformerEngine;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Tests.Precision;

/// <summary>The mode converts models in place, and runs them in 8 bits.</summary>
public sealed class TransformerEnginePrecisionTests : DisposeScopeFixture
{
    private static TransformerEnginePrecision Mode(
        ScalarType dtype = ScalarType.BFloat16,
        bool? replaceLayers = null
    ) => new(dtype, new DelayedScaling(amaxHistoryLength: 4), replaceLayers);

    private static Sequential MakeModel() =>
        nn.Sequential(("first", nn.Linear(7, 5)), ("norm", nn.LayerNorm(5)), ("last", nn.Linear(5, 3, hasBias: false)));

    [TestCase("transformer-engine", ScalarType.BFloat16)]
    [TestCase("transformer-engine-float16", ScalarType.Float16)]
    public void The_strings_make_the_mode(string name, ScalarType dtype)
    {
        var mode = (TransformerEnginePrecision)PrecisionModes.Create(name, DeviceType.CPU);
        Assert.That(mode.Name, Is.EqualTo("transformer-engine"));
        Assert.That((mode.WeightsDataType, mode.FallbackComputeDataType), Is.EqualTo((dtype, dtype)));
        Assert.That(mode.Recipe, Is.EqualTo(new DelayedScaling()));
        Assert.That(mode.ReplaceLayers, Is.Null);
    }

    [Test]
    public void Layers_of_any_size_are_converted_in_place_and_the_log_says_which()
    {
        using var model = MakeModel();
        var (modules, parameters) = (model.children().ToList(), model.parameters().ToList());
        var weight = Steps.Numbers(parameters[0].to(ScalarType.BFloat16));
        using (var log = new CapturedLog())
        {
            Mode().ConvertModule(model);
            Assert.That(log.Information, Has.One.EqualTo("2 linear layers multiply in 8 bits: first, last"));
        }

        Assert.That(model.children(), Is.EqualTo(modules));
        Assert.That(model.parameters(), Is.EqualTo(parameters));
        Assert.That(parameters.Select(parameter => parameter.dtype), Is.All.EqualTo(ScalarType.BFloat16));
        Assert.That(parameters.Select(parameter => parameter.requires_grad), Is.All.True);
        Assert.That(Steps.Numbers(parameters[0]), Is.EqualTo(weight));
        Assert.That(Float8States.In(model).Select(entry => entry.Name), Is.EqualTo(new[] { "first", "last" }));
    }

    [Test]
    public void A_converted_layer_is_the_layer_of_NBit_inside_and_libtorchs_outside()
    {
        using var plain = nn.Linear(7, 5, dtype: ScalarType.BFloat16);
        using var model = nn.Sequential(plain);
        using var own = new TE.Linear(7, 5, dtype: ScalarType.BFloat16);
        using (no_grad())
        {
            own.weight.copy_(plain.weight);
            own.bias!.copy_(plain.bias!);
        }

        var x = randn([4, 7], ScalarType.BFloat16);
        var outside = Steps.Numbers(model.forward(x));
        var mode = Mode();
        mode.ConvertModule(model);
        Assert.That(Steps.Numbers(model.forward(x)), Is.EqualTo(outside));
        for (var step = 0; step < 2; step++)
        {
            Tensor y;
            using (mode.ForwardContext())
            {
                y = model.forward(x);
            }

            y.backward([ones_like(y)]);
            var expected = Steps.Run(own, x, mode.Recipe);
            Assert.That(Steps.Numbers(y), Is.EqualTo(Steps.Numbers(expected)).And.Not.EqualTo(outside));
        }

        Assert.That(
            Steps.Numbers(Steps.StateOf(plain).Forward!.AmaxHistory),
            Is.EqualTo(Steps.Numbers(Steps.StateOf(own).Forward!.AmaxHistory))
        );
    }

    [Test]
    public void The_forward_context_sets_dtype_autocast_and_region()
    {
        var mode = new TransformerEnginePrecision(ScalarType.Float16, fallbackComputeDtype: ScalarType.BFloat16);
        using (mode.ForwardContext())
        {
            Assert.That(get_default_dtype(), Is.EqualTo(ScalarType.Float16));
            Assert.That(Autocast.Current(DeviceType.CPU), Is.EqualTo(ScalarType.BFloat16));
            Assert.That(Float8Region.Current!.Recipe, Is.SameAs(mode.Recipe));
        }

        Assert.That(get_default_dtype(), Is.EqualTo(ScalarType.Float32));
        Assert.That(Autocast.Current(DeviceType.CPU), Is.Null);
        Assert.That(Float8Region.Current, Is.Null);
        using (new TransformerEnginePrecision(ScalarType.Float32).ForwardContext())
        {
            Assert.That(Autocast.Current(DeviceType.CPU), Is.Null);
        }
    }

    [Test]
    public void A_model_that_is_converted_again_keeps_its_scales()
    {
        using var model = MakeModel();
        var mode = Mode();
        mode.ConvertModule(model);
        using (mode.ForwardContext())
        {
            model.forward(randn([4, 7], ScalarType.BFloat16));
        }

        var state = Steps.StateOf((nn.Module)model.children().First());
        var scale = Steps.Numbers(state.Forward!.Scale);
        Mode(ScalarType.Float16).ConvertModule(model); // another dtype, too
        var again = Steps.StateOf((nn.Module)model.children().First());
        Assert.That(again, Is.SameAs(state));
        Assert.That(Steps.Numbers(again.Forward!.Scale), Is.EqualTo(scale));
        Assert.That(model.parameters().First().dtype, Is.EqualTo(ScalarType.Float16));
    }

    [TestCase(null)]
    [TestCase(true)]
    public void In_a_model_with_modules_of_NBit_no_layer_is_replaced(bool? replaceLayers)
    {
        using var model = nn.Sequential(nn.Linear(4, 4), new TE.Linear(4, 4));
        using var log = new CapturedLog();
        Mode(replaceLayers: replaceLayers).ConvertModule(model);
        Assert.That(Float8States.In(model).Select(entry => entry.Name), Is.EqualTo(new[] { "1" }));
        Assert.That(model.parameters().Select(parameter => parameter.dtype), Is.All.EqualTo(ScalarType.BFloat16));
        Assert.That(
            log.Information,
            Has.Exactly(replaceLayers == true ? 1 : 0).Contains("already contains TransformerEngine layers")
        );
    }

    [Test]
    public void Without_replacing_only_dtypes_change()
    {
        using var model = MakeModel();
        Mode(replaceLayers: false).ConvertModule(model);
        Assert.That(Float8States.In(model), Is.Empty);
        Assert.That(model.parameters().Select(parameter => parameter.dtype), Is.All.EqualTo(ScalarType.BFloat16));
    }

    [Test]
    public void A_layer_that_others_share_is_converted_once_and_adapters_stay()
    {
        using var model = MakeModel();
        Lora.Attach(model, rank: 2, targets: ["first"]);
        Mode().ConvertModule(model);
        Assert.That(Float8States.In(model).Select(entry => entry.Name), Is.EqualTo(new[] { "first", "last" }));
        Assert.That(Lora.Parameters(model).Count(), Is.EqualTo(2));
        var y = Steps.Forward(model, randn([4, 7], ScalarType.BFloat16));
        Assert.That(y.shape, Is.EqualTo(new long[] { 4, 3 }));
    }

    [Test]
    public void A_quantized_model_is_refused_and_stays_as_it_is([Values("nf4", "int8", "int8-training")] string mode)
    {
        using var model = MakeModel();
        new BitsandbytesPrecision(mode).ConvertModule(model);
        var dtypes = model.parameters().Select(parameter => parameter.dtype).ToList();
        Assert.That(
            () => Mode().ConvertModule(model),
            Throws.InvalidOperationException.With.Message.Contains("'first' is quantized by bitsandbytes' rules")
        );
        Assert.That(model.parameters().Select(parameter => parameter.dtype), Is.EqualTo(dtypes));
    }

    [Test]
    public void A_conversion_that_fails_halfway_leaves_the_model_as_it_was()
    {
        using var model = MakeModel();
        ((nn.Module)model.children().Last()).to(META);
        Assert.That(() => Mode().ConvertModule(model), Throws.InstanceOf<NotSupportedException>());
        Assert.That(model.parameters().Select(parameter => parameter.dtype), Is.All.EqualTo(ScalarType.Float32));
        Assert.That(Float8States.In(model), Is.Empty);
    }

    [TestCase(ScalarType.Float64)]
    [TestCase(ScalarType.Int8)]
    public void Another_dtype_is_refused(ScalarType dtype)
    {
        Assert.That(() => new TransformerEnginePrecision(dtype), Throws.ArgumentException);
        Assert.That(
            () => new TransformerEnginePrecision(ScalarType.BFloat16, fallbackComputeDtype: dtype),
            Throws.ArgumentException
        );
    }

    [Test]
    public void Float16_refuses_an_epsilon_that_is_0_there()
    {
        using var model = MakeModel();
        var mode = Mode(ScalarType.Float16);
        mode.ConvertModule(model);
        Assert.That(
            () => mode.CheckOptimizer(optim.AdamW(model.parameters()), clipsGradients: false),
            Throws.InstanceOf<NotSupportedException>()
        );
        Assert.That(
            () => mode.CheckOptimizer(optim.AdamW(model.parameters(), eps: 1e-3), clipsGradients: false),
            Throws.Nothing
        );
    }

    [Test]
    public void Converting_and_training_leave_no_tensor_behind()
    {
        using var fabric = new Fabric(plugin: Mode(), accelerator: "cpu");
        using var model = MakeModel();
        var (module, optimizer) = fabric.Setup(model, optim.SGD(model.parameters(), 0.01));
        using var x = randn(4, 7).DetachFromDisposeScope();
        Once();
        TensorCount.AssertChangedBy(0, Once);

        void Once()
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            fabric.Backward(module.forward(x).square().mean());
            optimizer.step();
        }
    }

    [Test]
    public void A_resumed_fit_equals_one_that_was_not_interrupted()
    {
        using var folder = new TemporaryDirectory();
        var checkpoint = folder.File("half.safetensors");
        var whole = Fit(seed: 1, saveTo: checkpoint);
        var resumed = Fit(seed: 9, resumeFrom: checkpoint);
        Assert.That(resumed.Losses, Is.EqualTo(whole.Losses[4..]));
        Assert.That(resumed.Weights, Is.EqualTo(whole.Weights));
        Assert.That(resumed.Scales, Is.EqualTo(whole.Scales).And.Not.Empty);

        (List<float> Losses, Dictionary<string, float[]> Weights, List<float> Scales) Fit(
            long seed,
            string? saveTo = null,
            string? resumeFrom = null
        )
        {
            using var module = Regression.Make(dropout: 0.2, seed);
            using var trainer = new Trainer(
                plugin: Mode(),
                accelerator: "cpu",
                maxEpochs: 3,
                enableProgressBar: false,
                handleInterrupt: false
            );
            module.OnHook = hook =>
            {
                if (hook == "epoch 0 ends" && saveTo is not null)
                {
                    trainer.SaveCheckpoint(saveTo);
                }
            };
            using var scope = NewDisposeScope();
            trainer.Fit(module, Regression.Batches(4), resumeFrom: resumeFrom);
            var scales = Float8States.In(module).SelectMany(entry => Steps.Numbers(entry.State.Forward!.AmaxHistory));
            return ([.. module.Losses], module.Weights(), scales.ToList());
        }
    }
}
