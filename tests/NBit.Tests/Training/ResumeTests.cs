using NBit.Tests.Checkpoints;
using NBit.Tests.Optimizers;
using NBit.Training;
using NBit.Training.Callbacks;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.optim;

namespace NBit.Tests.Training;

/// <summary>A run that was interrupted and continued equals one that was not, bit for bit.</summary>
public sealed class ResumeTests
{
    private static readonly Dictionary<string, Func<Optimizer, SchedulerConfiguration>> Schedulers = new(
        StringComparer.Ordinal
    )
    {
        ["StepLR"] = optimizer => new(lr_scheduler.StepLR(optimizer, 2, 0.5), SchedulerInterval.Step),
        ["StepLR by epochs"] = optimizer => new(lr_scheduler.StepLR(optimizer, 1, 0.5)),
        ["StepLR, every 3 steps"] = optimizer =>
            new(lr_scheduler.StepLR(optimizer, 1, 0.5), SchedulerInterval.Step, Frequency: 3),
        ["LambdaLR"] = optimizer =>
            new(lr_scheduler.LambdaLR(optimizer, step => 1.0 / (step + 1)), SchedulerInterval.Step),
        ["MultiplicativeLR"] = optimizer =>
            new(lr_scheduler.MultiplicativeLR(optimizer, step => 0.9), SchedulerInterval.Step),
        ["MultiStepLR"] = optimizer => new(lr_scheduler.MultiStepLR(optimizer, [2, 5, 9], 0.5), SchedulerInterval.Step),
        ["PolynomialLR"] = optimizer => new(lr_scheduler.PolynomialLR(optimizer, 10, 2), SchedulerInterval.Step),
        ["ExponentialLR"] = optimizer => new(lr_scheduler.ExponentialLR(optimizer, 0.9), SchedulerInterval.Step),
        ["ConstantLR"] = optimizer => new(lr_scheduler.ConstantLR(optimizer, 0.5, 6), SchedulerInterval.Step),
        ["LinearLR"] = optimizer => new(lr_scheduler.LinearLR(optimizer, 0.5, 1, 9), SchedulerInterval.Step),
        ["CosineAnnealingLR"] = optimizer => new(lr_scheduler.CosineAnnealingLR(optimizer, 5), SchedulerInterval.Step),
        ["CyclicLR"] = optimizer => new(lr_scheduler.CyclicLR(optimizer, 0.001, 0.1, 3), SchedulerInterval.Step),
        ["OneCycleLR"] = optimizer => new(lr_scheduler.OneCycleLR(optimizer, 0.1, 20), SchedulerInterval.Step),
        ["OneCycleLR without momentum"] = optimizer =>
            new(lr_scheduler.OneCycleLR(optimizer, 0.1, 20, cycle_momentum: false), SchedulerInterval.Step),
        ["SequentialLR"] = optimizer =>
            new(
                lr_scheduler.SequentialLR(
                    optimizer,
                    [lr_scheduler.LinearLR(optimizer, 0.5, 1, 4), lr_scheduler.ExponentialLR(optimizer, 0.9)],
                    [4]
                ),
                SchedulerInterval.Step
            ),
        ["ChainedScheduler"] = optimizer =>
            new(
                new lr_scheduler.impl.ChainedLR([
                    lr_scheduler.StepLR(optimizer, 3, 0.5),
                    lr_scheduler.ExponentialLR(optimizer, 0.9),
                ]),
                SchedulerInterval.Step
            ),
        ["ReduceLROnPlateau"] = optimizer =>
            new(
                lr_scheduler.ReduceLROnPlateau(optimizer, factor: 0.5, patience: 1),
                SchedulerInterval.Step,
                Monitor: "loss_step"
            ),
        ["ReduceLROnPlateau of validation"] = optimizer =>
            new(
                lr_scheduler.ReduceLROnPlateau(optimizer, factor: 0.5, patience: 0),
                SchedulerInterval.Epoch,
                Monitor: "val"
            ),
    };

    private TemporaryDirectory _directory = null!;

    private static IEnumerable<string> SchedulerNames() => Schedulers.Keys;

    [SetUp]
    public void MakeDirectory() => _directory = new TemporaryDirectory();

    [TearDown]
    public void RemoveDirectory() => _directory.Dispose();

    [Test]
    public void A_run_continues_from_every_step(
        [Values("16-mixed", "bf16-true")] string mode,
        [Values(1, 2)] int accumulate,
        [Values(3, null)] int? valCheckInterval
    )
    {
        RecordedRun Make() =>
            new()
            {
                Mode = mode,
                Accumulate = accumulate,
                ValCheckInterval = valCheckInterval,
                Callbacks = [RecordedRun.Saving(1)],
                Configure = parameters =>
                {
                    var optimizer = AdamW(parameters, 0.01, eps: 1e-3);
                    return [new OptimizerConfiguration(optimizer, Schedulers["StepLR"](optimizer))];
                },
            };
        var expected = AssertContinues(Make, everyStep: true);
        Assert.That(
            expected.Final,
            Has.None.Matches("^Float\\d+ 0+$").And.None.StartsWith($"scale {RecordedRun.InitialScale}"),
            "some steps were made, some skipped"
        );
    }

    [Test]
    public void The_state_of_every_optimizer_is_restored(
        [ValueSource(typeof(Optimizers), nameof(Optimizers.Names))] string name
    ) => AssertContinues(() => new RecordedRun { Configure = parameters => [Optimizers.All[name](parameters)] });

    [Test]
    public void The_state_of_every_optimizer_of_NBits_is_restored(
        [ValueSource(typeof(Family), nameof(Family.NamesIn8Bits))] string name,
        [Values("16-mixed", "bf16-true")] string mode
    ) =>
        AssertContinues(() =>
            new RecordedRun
            {
                Mode = mode,
                Configure = parameters =>
                {
                    var optimizer = Family.Make(name, parameters, new() { Min8bitSize = 8, RoundingSeed = 5 });
                    return
                    [
                        new OptimizerConfiguration(optimizer, Schedulers["OneCycleLR without momentum"](optimizer)),
                    ];
                },
            }
        );

    [Test]
    public void The_state_of_every_scheduler_is_restored([ValueSource(nameof(SchedulerNames))] string name) =>
        AssertContinues(() =>
            new RecordedRun
            {
                Configure = parameters =>
                {
                    var optimizer = SGD(parameters, 0.05, momentum: 0.9);
                    return [new OptimizerConfiguration(optimizer, Schedulers[name](optimizer))];
                },
            }
        );

    [Test]
    public void A_cancelled_run_leaves_a_checkpoint_and_continues(
        [Values(1, 3, 6, 7, 8, 13)] int batches,
        [Values(1, 2)] int accumulate
    )
    {
        var expected = new RecordedRun { Accumulate = accumulate };
        expected.Fit(_directory.File("whole"));

        var folder = _directory.File("cancelled");
        var run = new RecordedRun { Accumulate = accumulate, Callbacks = [] };
        Assert.That(() => run.Fit(folder, cancelAfter: batches), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(File.Exists(Path.Combine(folder, "checkpoints", "last.safetensors")), Is.True);
        var done = run.Losses.Count;
        Assert.That(done, Is.InRange(batches, batches + accumulate - 1), "it ends after the step");

        var rest = new RecordedRun { Accumulate = accumulate, Callbacks = [] };
        rest.Fit(folder, "last", seed: 99);
        AssertEqual(rest, expected, from: done);
        Assert.That(Csv(folder), Is.EqualTo(Csv(_directory.File("whole"))));
    }

    [Test]
    public void A_run_that_a_limit_ended_continues_where_it_was(
        [Values(1, 3, 6, 7, 10)] int steps,
        [Values] bool byEpochs
    )
    {
        IReadOnlyList<Callback> callbacks = byEpochs ? [] : [new ModelCheckpoint(everyNTrainSteps: 1)];
        RecordedRun Make(int? maxSteps = null) =>
            new()
            {
                MaxSteps = maxSteps,
                Shuffles = false, // without validation, which comes once more where a limit ends an epoch
                Callbacks = callbacks,
                Configure = parameters =>
                {
                    var optimizer = AdamW(parameters, 0.01);
                    return [new OptimizerConfiguration(optimizer, Schedulers["StepLR by epochs"](optimizer))];
                },
            };
        var expected = Make();
        expected.Fit(_directory.File("whole"));
        var folder = _directory.File("limited");
        var run = Make(steps);
        run.Fit(folder);
        Assert.That(run.Losses, Has.Count.EqualTo(steps));
        var rest = Make();
        rest.Fit(folder, "last", seed: 99);
        AssertEqual(rest, expected, from: steps);
    }

    [Test]
    public void A_checkpoint_of_the_last_epoch_leaves_nothing_to_do()
    {
        new RecordedRun { Callbacks = [] }.Fit(_directory.Path); // the trainer's own, at each epoch
        var csv = Csv(_directory.Path);
        var rest = new RecordedRun { Callbacks = [] };
        rest.Fit(_directory.Path, "last");
        Assert.That(rest.Losses, Is.Empty);
        Assert.That(Csv(_directory.Path), Is.EqualTo(csv));
    }

    [Test]
    public void Without_a_checkpoint_last_begins_anew()
    {
        var expected = new RecordedRun();
        expected.Fit(_directory.File("a"));
        var run = new RecordedRun();
        run.Fit(_directory.File("b"), "last");
        AssertEqual(run, expected, from: 0);
    }

    [Test]
    public void Last_needs_a_trainer_that_writes_checkpoints()
    {
        using var module = Regression.Make();
        using var trainer = Regression.Train();
        Assert.That(
            () => trainer.Fit(module, [], resumeFrom: "last"),
            Throws.InvalidOperationException.With.Message.StartsWith(
                "resumeFrom is \"last\", but the trainer writes no checkpoints"
            )
        );
    }

    [Test]
    public void A_run_may_continue_in_another_folder_and_leaves_the_first_one_alone()
    {
        RecordedRun Make() => new() { Callbacks = [new ModelCheckpoint(monitor: "val", saveTopK: 1)] };
        var first = _directory.File("first");
        Assert.That(() => Make().Fit(first, cancelAfter: 9), Throws.InstanceOf<OperationCanceledException>());
        var before = Directory
            .GetFiles(first, "*", SearchOption.AllDirectories)
            .ToDictionary(file => file, File.ReadAllBytes, StringComparer.Ordinal);

        var second = _directory.File("second");
        var rest = Make();
        rest.Fit(second, Path.Combine(first, "checkpoints", "last.safetensors"));
        Assert.That(Directory.GetFiles(first, "*", SearchOption.AllDirectories), Is.EquivalentTo(before.Keys));
        Assert.That(before.All(file => File.ReadAllBytes(file.Key).SequenceEqual(file.Value)), Is.True);
        var checkpoint = (ModelCheckpoint)rest.Callbacks[0];
        Assert.That(checkpoint.BestModelPath, Does.StartWith(second));
    }

    [Test]
    public void A_run_may_continue_in_another_precision(
        [ValueSource(typeof(Modes), nameof(Modes.All))] string saved,
        [ValueSource(typeof(Modes), nameof(Modes.All))] string resumed
    )
    {
        RecordedRun Make(string mode, int? maxSteps) =>
            new()
            {
                Mode = mode,
                MaxSteps = maxSteps,
                Callbacks = [],
                Configure = parameters => [AdamW(parameters, 0.01, eps: 1e-3)],
            };
        Make(saved, 3).Fit(_directory.Path);
        var rest = Make(resumed, 4);
        rest.Fit(_directory.Path, "last", seed: 99);
        Assert.That(rest.Losses.Keys, Is.EqualTo(new[] { (0, 3) }));
        var dtype = resumed switch
        {
            "64-true" => "Float64",
            "bf16-true" => "BFloat16",
            "16-true" => "Float16",
            _ => "Float32",
        };
        Assert.That(rest.Final.Where(line => line.Contains("Float", StringComparison.Ordinal)), Is.All.Contains(dtype));
    }

    [Test]
    public void Momentum_is_cast_to_the_precision_that_resumes()
    {
        RecordedRun Make(string mode, int maxSteps) =>
            new()
            {
                Mode = mode,
                MaxSteps = maxSteps,
                Callbacks = [],
                Configure = parameters => [SGD(parameters, 0.01, momentum: 0.9)],
            };
        Make("64-true", 3).Fit(_directory.Path);
        var rest = Make("bf16-true", 4);
        rest.Fit(_directory.Path, "last");
        Assert.That(
            rest.Final.Where(line => line.Contains("Float", StringComparison.Ordinal)),
            Is.All.Contains("BFloat16")
        );
    }

    [Test]
    public void Two_optimizers_and_tied_weights_are_restored()
    {
        var expected = FitTied(null, 4);
        FitTied(null, 2);
        Assert.That(FitTied(Path.Combine(_directory.Path, "checkpoints", "last.safetensors"), 4), Is.EqualTo(expected));
    }

    private float[] FitTied(string? resumeFrom, int steps)
    {
        Trainer.SeedEverything(resumeFrom is null ? 1 : 99);
        using var module = new Tied();
        using var trainer = new Trainer(
            accelerator: "cpu",
            maxSteps: steps,
            defaultRootDir: resumeFrom is null ? _directory.Path : null,
            enableProgressBar: false,
            handleInterrupt: false
        );
        using var x = ones(2, 3);
        trainer.Fit(module, [x], resumeFrom: resumeFrom);
        return module.parameters().SelectMany(parameter => parameter.data<float>().ToArray()).ToArray();
    }

    // Continues from checkpoints of a whole run, in folders that hold its whole metrics.csv already.
    private RecordedRun AssertContinues(Func<RecordedRun> make, bool everyStep = false)
    {
        var whole = _directory.File("whole");
        var expected = make();
        expected.Fit(whole);
        var checkpoints = Directory.GetFiles(Path.Combine(whole, "checkpoints"), "epoch=*.safetensors");
        Assert.That(checkpoints, Has.Length.GreaterThan(2));
        foreach (
            var checkpoint in everyStep
                ? checkpoints
                : checkpoints.Where(file => file.EndsWith("step=4.safetensors", StringComparison.Ordinal))
        )
        {
            var folder = _directory.File(Path.GetFileNameWithoutExtension(checkpoint));
            Directory.CreateDirectory(folder);
            File.Copy(Path.Combine(whole, "metrics.csv"), Path.Combine(folder, "metrics.csv"));
            var run = make();
            run.Callbacks = [RecordedRun.Saving(1000)];
            run.Fit(folder, checkpoint, seed: 99);
            AssertEqual(run, expected, from: expected.Losses.Count - run.Losses.Count);
            Assert.That(run.Metrics, Is.EquivalentTo(expected.Metrics), checkpoint);
            Assert.That(Csv(folder), Is.EqualTo(Csv(whole)), checkpoint);
        }

        return expected;
    }

    private static void AssertEqual(RecordedRun run, RecordedRun expected, int from)
    {
        Assert.That(run.Losses, Is.EqualTo(expected.Losses.Skip(from).ToDictionary()));
        Assert.That(run.Final, Is.EqualTo(expected.Final));
        Assert.That(run.Final, Is.Not.Empty);
    }

    private static string Csv(string folder) => File.ReadAllText(Path.Combine(folder, "metrics.csv"));

    /// <summary>Two layers with the same weight, each bias with an optimizer of its own.</summary>
    private sealed class Tied : TrainingModule<Tensor>
    {
        private readonly Linear _first = nn.Linear(3, 3),
            _second = nn.Linear(3, 3);

        public Tied()
            : base(nameof(Tied))
        {
            _second.weight = _first.weight;
            RegisterComponents();
        }

        public override bool AutomaticOptimization => false;

        public override Tensor? TrainingStep(Tensor batch, int batchIndex)
        {
            var loss = _second.forward(_first.forward(batch)).pow(2).sum();
            foreach (var optimizer in Optimizers())
            {
                optimizer.zero_grad();
            }

            ManualBackward(loss);
            foreach (var optimizer in Optimizers())
            {
                optimizer.step();
            }

            return null;
        }

        public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() =>
            [AdamW([_first.weight!, _first.bias!], 0.01), SGD([_second.bias!], 0.01, momentum: 0.9)];
    }
}
