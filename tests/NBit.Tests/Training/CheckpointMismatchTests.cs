using NBit.Checkpoints;
using NBit.Precision;
using NBit.Tests.Checkpoints;
using NBit.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace NBit.Tests.Training;

/// <summary>Checkpoints that do not fit: each is refused by name, and nothing was changed.</summary>
public sealed class CheckpointMismatchTests : CheckpointFixture
{
    [Test]
    public void The_checkpoint_itself_fits()
    {
        using var module = Make();
        using var trainer = MakeTrainer();
        Fit(trainer, module, Checkpoint);
        Assert.That(trainer.GlobalStep, Is.EqualTo(2), "there is nothing left to do");
    }

    [Test]
    public void The_weights_of_another_model_are_named_one_by_one()
    {
        Rewrite(tensors: tensors =>
        {
            tensors.Remove("state_dict/_first.bias");
            tensors["state_dict/_last.weight"] = zeros(1, 9);
            tensors["state_dict/other"] = zeros(1);
        });
        AssertRefused<CheckpointMismatchException>(
            $"{Checkpoint} is of another model than Regression: ",
            "_first.bias is missing",
            "other is not in the model",
            "_last.weight is [1, 9], the model has [1, 8]"
        );
    }

    [Test]
    public void Many_differences_are_counted()
    {
        Rewrite(tensors: tensors =>
            Enumerable.Range(0, 9).ToList().ForEach(i => tensors[$"state_dict/other{i}"] = zeros(1))
        );
        AssertRefused<CheckpointMismatchException>("other4 is not in the model; and 4 more");
    }

    [Test]
    public void A_weight_of_a_type_that_libtorch_lacks_is_named()
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train();
        var before = module.Weights();
        var path = Folder.File(
            "4bit.safetensors",
            SafetensorsBytes.File(
                [
                    SafetensorsBytes.Entry("_first.weight", "F4", "8,4", 0, 16),
                    SafetensorsBytes.Entry("_first.bias", "F32", "8", 16, 48),
                    SafetensorsBytes.Entry("_last.weight", "F32", "1,8", 48, 80),
                    SafetensorsBytes.Entry("_last.bias", "F32", "1", 80, 84),
                ],
                84
            )
        );
        Assert.That(
            () => trainer.Validate(module, Regression.Batches(1), path),
            Throws
                .InstanceOf<CheckpointMismatchException>()
                .With.Message.Contains("_first.weight is F4, which libtorch has no tensors of")
        );
        Assert.That(module.Weights(), Is.EqualTo(before));
    }

    [TestCase(
        "SGD",
        "holds the state of AdamW (1 groups, 4 parameters), the module configures SGD (1 groups, 4 parameters)."
    )]
    [TestCase(
        "fewer",
        "holds the state of AdamW (1 groups, 4 parameters), the module configures AdamW (1 groups, 2 parameters)."
    )]
    [TestCase(
        "groups",
        "holds the state of AdamW (1 groups, 4 parameters), the module configures AdamW (2 groups, 4 parameters)."
    )]
    [TestCase("order", "the state of optimizer optimizer_states/0 is damaged, or of other parameters: ")]
    [TestCase("amsgrad", "", Description = "settings are the checkpoint's, as in PyTorch")]
    public void Another_optimizer_is_named(string configuration, string message)
    {
        using var module = Make();
        var schedule = module.Configure;
        module.Configure = given =>
        {
            var parameters = given.ToList();
            Optimizer optimizer = configuration switch
            {
                "SGD" => SGD(parameters, 0.1),
                "fewer" => AdamW(parameters.Take(2), 0.1),
                "groups" => Groups(parameters),
                "order" => AdamW(parameters.AsEnumerable().Reverse(), 0.1),
                _ => AdamW(parameters, 0.1, amsgrad: true),
            };
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(lr_scheduler.StepLR(optimizer, 2, 0.5), SchedulerInterval.Step)
                ),
            ];
        };
        if (message.Length == 0)
        {
            using var trainer = MakeTrainer();
            Assert.That(() => Fit(trainer, module, Checkpoint), Throws.Nothing);
        }
        else
        {
            AssertRefused<CheckpointMismatchException>(
                module,
                Checkpoint,
                message,
                "Configure the same optimizer, of the same parameters."
            );
        }
    }

    [Test]
    public void A_checkpoint_of_TorchSharps_optimizer_is_refused_by_one_of_NBits()
    {
        using var module = Make();
        module.Configure = parameters => [new NBit.Optimizers.Adam8bit(parameters)];
        AssertRefused<CheckpointMismatchException>(
            module,
            $"{Checkpoint} does not fit the optimizer Adam8bit (optimizer_states/0): there is no tensor ",
            "Configure the same optimizer, of the same parameters."
        );
    }

    [Test]
    public void More_optimizers_than_were_saved_are_named()
    {
        using var module = new TwoOptimizers();
        using var trainer = MakeTrainer();
        Assert.That(
            () => trainer.Fit(module, Regression.Batches(1), resumeFrom: Checkpoint),
            Throws
                .InstanceOf<CheckpointMismatchException>()
                .With.Message.EqualTo(
                    $"{Checkpoint} has no state for optimizer optimizer_states/1: it was written with fewer optimizers"
                )
        );
    }

    [Test]
    public void Another_scheduler_is_named([Values("ExponentialLR", "none")] string name)
    {
        using var module = Make();
        module.Configure = parameters =>
        {
            var optimizer = AdamW(parameters, 0.1);
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    name == "none" ? null : new SchedulerConfiguration(lr_scheduler.ExponentialLR(optimizer))
                ),
            ];
        };
        AssertRefused<CheckpointMismatchException>(
            module,
            $"{Checkpoint} holds the learning-rate schedulers [StepLR], the module configures [{name}]"
        );
    }

    [Test]
    public void Other_schedulers_inside_one_are_named([Values] bool fewer)
    {
        IReadOnlyList<OptimizerConfiguration> Configure(IEnumerable<Parameter> parameters, params string[] names)
        {
            var optimizer = AdamW(parameters, 0.1);
            var inner = names.Select(name =>
                name == "StepLR" ? lr_scheduler.StepLR(optimizer, 2) : lr_scheduler.ExponentialLR(optimizer)
            );
            return
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(new lr_scheduler.impl.ChainedLR([.. inner]))
                ),
            ];
        }

        using (var module = Make())
        using (var trainer = MakeTrainer())
        {
            module.Configure = parameters => Configure(parameters, "StepLR", "StepLR");
            module.OnHook = hook =>
            {
                if (hook == "epoch 0 ends")
                {
                    trainer.SaveCheckpoint(Checkpoint);
                }
            };
            Fit(trainer, module);
        }

        using var other = Make();
        other.Configure = parameters =>
            fewer ? Configure(parameters, "StepLR") : Configure(parameters, "StepLR", "ExponentialLR");
        AssertRefused<CheckpointMismatchException>(
            other,
            fewer
                ? "it has 2 schedulers inside one that has 1 now"
                : "it has a StepLR inside a scheduler where a ExponentialLR is now"
        );
    }

    [Test]
    public void Weights_alone_are_cast_to_the_model_they_are_loaded_into(
        [Values("32-true", "64-true", "bf16-true", "16-true")] string mode,
        [Values] bool plain
    )
    {
        if (plain)
        {
            Rewrite(
                metadata: metadata => metadata.Clear(),
                tensors: tensors =>
                {
                    foreach (var name in tensors.Keys.ToList())
                    {
                        tensors.Remove(name, out var tensor);
                        if (name.StartsWith("state_dict/", StringComparison.Ordinal))
                        {
                            tensors[name["state_dict/".Length..]] = tensor!.to(ScalarType.Float64);
                        }
                    }
                }
            );
        }

        using var expected = Make();
        using (var reader = SafetensorsReader.Open(Checkpoint))
        {
            using var grad = no_grad();
            foreach (var (name, target) in expected.state_dict())
            {
                using var saved = reader.Read(plain ? name : $"state_dict/{name}");
                target.copy_(saved);
            }
        }

        var precision = PrecisionModes.Create(mode, DeviceType.CPU);
        precision.ConvertModule(expected);
        foreach (
            var call in (Action<Trainer, Regression>[])
                [
                    (trainer, module) => trainer.Validate(module, Regression.Batches(1), Checkpoint),
                    (trainer, module) => trainer.Test(module, Regression.Batches(1), Checkpoint),
                    (trainer, module) => trainer.Predict(module, Regression.Batches(1), Checkpoint),
                ]
        )
        {
            using var scope = NewDisposeScope();
            using var module = Regression.Make(seed: 99);
            using var trainer = new Trainer(plugin: precision, accelerator: "cpu", enableProgressBar: false);
            call(trainer, module);
            Assert.That(module.Weights(), Is.EqualTo(expected.Weights()));
            Assert.That(module.parameters().First().dtype, Is.EqualTo(expected.parameters().First().dtype));
        }
    }

    private static AdamW Groups(List<Parameter> parameters)
    {
        var optimizer = AdamW(parameters.Take(2), 0.1);
        optimizer.add_param_group(new AdamW.ParamGroup(parameters.Skip(2)));
        return optimizer;
    }

    private sealed class TwoOptimizers : TrainingModule<(Tensor X, Tensor Y)>
    {
        private readonly Linear _first = nn.Linear(4, 8),
            _last = nn.Linear(8, 1);

        public TwoOptimizers()
            : base(nameof(TwoOptimizers)) => RegisterComponents();

        public override bool AutomaticOptimization => false;

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex) => null;

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() =>
            [AdamW(_first.parameters().Concat(_last.parameters()), 0.1), SGD(_last.parameters(), 0.1)];
    }
}
