using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>The trainer gives the weights that a loop written by hand gives, bit for bit.</summary>
public sealed class HandWrittenLoopTests : DisposeScopeFixture
{
    private const int Batches = 5;

    public enum Clip
    {
        Nothing,
        Norm,
        Value,
    }

    [Test]
    public void Accumulated_gradients_are_those_of_a_loop(
        [Values(1, 2, 3, 4, 5, 7)] int accumulate,
        [Values] bool knowsItsLength,
        [Values] Clip clip
    )
    {
        using var expected = Regression.Make();
        var steps = Loop(expected, accumulate, clip, epochs: 2);

        using var module = Regression.Make();
        using var trainer = new Trainer(
            accelerator: "cpu",
            maxEpochs: 2,
            accumulateGradBatches: accumulate,
            gradientClipVal: clip == Clip.Nothing ? null : Limit(clip),
            gradientClipAlgorithm: clip == Clip.Value ? GradientClipAlgorithm.Value : null,
            enableProgressBar: false
        );
        var batches = Regression.Batches(Batches);
        trainer.Fit(module, knowsItsLength ? batches : Lazily(batches));
        Assert.That(trainer.GlobalStep, Is.EqualTo(steps));
        Assert.That(module.Weights(), Is.EqualTo(expected.Weights()));
    }

    [Test]
    public void A_source_that_ends_early_inside_an_accumulation_still_steps()
    {
        using var expected = Regression.Make();
        var steps = Loop(expected, accumulate: 2, Clip.Nothing, epochs: 1);
        using var module = Regression.Make();
        using var trainer = Regression.Train(accumulate: 2);
        trainer.Fit(module, new Announced(Regression.Batches(Batches), count: 8));
        Assert.That(trainer.GlobalStep, Is.EqualTo(steps));
        Assert.That(module.Weights(), Is.EqualTo(expected.Weights()));
    }

    [Test]
    public void A_limit_of_batches_ends_an_accumulation([Values] bool knowsItsLength)
    {
        using var expected = Regression.Make();
        Loop(expected, accumulate: 2, Clip.Nothing, epochs: 1);
        using var module = Regression.Make();
        using var trainer = new Trainer(
            accelerator: "cpu",
            maxEpochs: 1,
            accumulateGradBatches: 2,
            limitTrainBatches: Batches,
            enableProgressBar: false
        );
        var batches = Regression.Batches(Batches).Concat(Regression.Batches(Batches)).ToList();
        trainer.Fit(module, knowsItsLength ? batches : Lazily(batches));
        Assert.That(module.Weights(), Is.EqualTo(expected.Weights()));
    }

    [Test]
    public void Manual_optimization_with_two_optimizers_is_a_loop(
        [Values("32-true", "bf16-mixed", "16-mixed")] string mode
    )
    {
        using var expected = Regression.Make();
        using (var fabric = Modes.MakeFabric(mode))
        using (var first = optim.SGD(Half(expected, "first"), 0.05))
        using (var last = optim.AdamW(Half(expected, "last"), 0.01))
        {
            foreach (var (x, y) in Regression.Batches(Batches))
            {
                using var loss = LossInContext(fabric.Precision.StepContext(), expected, x, y);
                first.zero_grad();
                last.zero_grad();
                fabric.Backward(loss);
                fabric.Setup(first).step();
                fabric.Setup(last).step();
            }
        }

        using var module = new Manual();
        using var trainer = Regression.Train(plugin: Modes.Make(mode));
        trainer.Fit(module, Regression.Batches(Batches));
        Assert.That(trainer.GlobalStep, Is.EqualTo(2 * Batches));
        Assert.That(module.BeforeSteps, Is.EqualTo(2 * Batches));
        Assert.That(module.Inner.Weights(), Is.EqualTo(expected.Weights()));
    }

    // What the trainer is to do, written out.
    private static int Loop(Regression module, int accumulate, Clip clip, int epochs)
    {
        using var optimizer = optim.SGD(module.parameters(), 0.05, momentum: 0.9);
        var steps = 0;
        for (var epoch = 0; epoch < epochs; epoch++)
        {
            var batch = 0;
            foreach (var (x, y) in Regression.Batches(Batches))
            {
                if (batch % accumulate == 0)
                {
                    module.zero_grad();
                }

                var loss = nn.functional.mse_loss(module.Predict(x), y);
                (accumulate > 1 ? loss / accumulate : loss).backward();
                batch++;
                if (batch % accumulate == 0 || batch == Batches)
                {
                    ClipGradients(module, clip);
                    optimizer.step();
                    steps++;
                }
            }
        }

        return steps;
    }

    private static void ClipGradients(Regression module, Clip clip)
    {
        if (clip == Clip.Norm)
        {
            nn.utils.clip_grad_norm_(module.parameters(), Limit(clip));
        }
        else if (clip == Clip.Value)
        {
            nn.utils.clip_grad_value_(module.parameters(), Limit(clip));
        }
    }

    private static double Limit(Clip clip) => clip == Clip.Norm ? 0.1 : 0.01;

    private static IEnumerable<T> Lazily<T>(IEnumerable<T> batches)
    {
        foreach (var batch in batches)
        {
            yield return batch;
        }
    }

    private static Tensor LossInContext(IDisposable context, Regression module, Tensor x, Tensor y)
    {
        using (context)
        {
            return nn.functional.mse_loss(module.Predict(x), y);
        }
    }

    private static IEnumerable<Parameter> Half(nn.Module module, string name) =>
        module
            .named_parameters()
            .Where(entry => entry.name.Contains(name, StringComparison.Ordinal))
            .Select(entry => entry.parameter)
            .ToList();

    /// <summary>Says that it has more batches than it gives.</summary>
    private sealed class Announced(List<(Tensor X, Tensor Y)> batches, int count)
        : IReadOnlyCollection<(Tensor X, Tensor Y)>
    {
        public int Count => count;

        public IEnumerator<(Tensor X, Tensor Y)> GetEnumerator() => batches.GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    private sealed class Manual : TrainingModule<(Tensor X, Tensor Y)>
    {
        public Manual()
            : base(nameof(Manual)) => RegisterComponents();

        public Regression Inner { get; } = Regression.Make();

        public int BeforeSteps { get; private set; }

        public override bool AutomaticOptimization => false;

        public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex)
        {
            var loss = nn.functional.mse_loss(Inner.Predict(batch.X), batch.Y);
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
            [optim.SGD(Half(Inner, "first"), 0.05), optim.AdamW(Half(Inner, "last"), 0.01)];

        public override void OnBeforeOptimizerStep(optim.Optimizer optimizer) => BeforeSteps++;
    }
}
