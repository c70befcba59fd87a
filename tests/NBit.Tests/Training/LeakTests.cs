using NBit.Native;
using NBit.Tests.Checkpoints;
using NBit.Training;
using NBit.Training.Data;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>No call of the trainer leaves a tensor or native memory behind, however it ends.</summary>
public sealed class LeakTests
{
    private const int Repetitions = 100,
        FewRepetitions = 20;

    public enum Ending
    {
        Done,
        StepThrows,
        SourceThrows,
        OptimizerIsRefused,
        Cancelled,
    }

    [Test]
    public void A_fit_leaves_nothing_behind([ValueSource(typeof(Modes), nameof(Modes.All))] string mode) =>
        AssertLeavesNothing((trainer, module, batches) => trainer.Fit(module, batches, batches), mode, Repetitions);

    [Test]
    public void A_fit_that_ends_early_leaves_nothing_behind([Values] Ending ending) =>
        AssertLeavesNothing(
            (trainer, module, batches) =>
            {
                using var cancellation = new CancellationTokenSource();
                module.OnStep = (_, loss, index) =>
                {
                    if (index == 1 && ending == Ending.StepThrows)
                    {
                        throw new TimeoutException();
                    }

                    if (ending == Ending.Cancelled)
                    {
                        cancellation.Cancel();
                    }

                    return loss;
                };
                module.Configure = parameters =>
                    ending == Ending.OptimizerIsRefused
                        ? [optim.AdamW(parameters, 0.1), optim.Adam(parameters)]
                        : [optim.AdamW(parameters, 0.1)];
                var source =
                    ending == Ending.SourceThrows
                        ? batches.Select((batch, index) => index == 1 ? throw new IOException() : batch)
                        : batches;
                try
                {
                    trainer.Fit(module, source, batches, cancellationToken: cancellation.Token);
                }
                catch (Exception error)
                    when (error
                            is TimeoutException
                                or DataSourceException
                                or InvalidOperationException
                                or OperationCanceledException
                    )
                {
                    Assert.That(ending, Is.Not.EqualTo(Ending.Done));
                }
            }
        );

    [Test]
    public void An_evaluation_leaves_nothing_behind(
        [Values("validate", "test", "predict")] string call,
        [Values("32-true", "bf16-true")] string mode
    ) =>
        AssertLeavesNothing(
            (trainer, module, batches) =>
            {
                switch (call)
                {
                    case "validate":
                        trainer.Validate(module, batches);
                        break;
                    case "test":
                        trainer.Test(module, batches);
                        break;
                    default:
                        foreach (var prediction in trainer.Predict(module, batches))
                        {
                            ((Tensor)prediction!).Dispose();
                        }

                        break;
                }
            },
            mode
        );

    [Test]
    public void Writing_checkpoints_and_resuming_leave_nothing_behind([Values("32-true", "16-mixed")] string mode)
    {
        using var directory = new TemporaryDirectory();
        var (x, y) = Data();
        using var module = Regression.Make(dropout: 0.2);
        module.Configure = parameters => [optim.Adam(parameters, 0.01, amsgrad: true)];
        Fit(null);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                for (var repetition = 0; repetition < 10; repetition++)
                {
                    Fit(directory.File("checkpoints/last.safetensors"));
                    Fit(null);
                }
            }
        );
        x.Dispose();
        y.Dispose();

        void Fit(string? resumeFrom)
        {
            using var trainer = Regression.Train(
                directory.Path,
                Modes.Make(mode),
                maxEpochs: resumeFrom is null ? 1 : 2
            );
            trainer.Fit(module, Shuffled(x, y), resumeFrom: resumeFrom);
        }
    }

    private static void AssertLeavesNothing(
        Action<Trainer, Regression, ShuffledBatches<(Tensor X, Tensor Y)>> call,
        string mode = "32-true",
        int repetitions = FewRepetitions
    )
    {
        var (x, y) = Data();
        using var module = Regression.Make(dropout: 0.2);
        using var trainer = new Trainer(
            plugin: Modes.Make(mode),
            accelerator: "cpu",
            maxEpochs: 1,
            limitTrainBatches: 2, // of three: the source is left in the middle
            accumulateGradBatches: 2,
            gradientClipVal: 1,
            enableProgressBar: false,
            handleInterrupt: false
        );
        call(trainer, module, Shuffled(x, y)); // the scaler makes its tensors in the first run
        var memory = NativeMemory();
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                for (var repetition = 0; repetition < repetitions; repetition++)
                {
                    call(trainer, module, Shuffled(x, y));
                }
            }
        );
        Assert.That(NativeMemory(), Is.EqualTo(memory));
        x.Dispose();
        y.Dispose();
    }

    private static unsafe (long Bytes, long Blocks) NativeMemory()
    {
        long bytes,
            blocks;
        NativeStatus.ThrowIfFailed(Libnbit.nbit_memory_count(&bytes, &blocks));
        return (bytes, blocks);
    }

    private static (Tensor X, Tensor Y) Data()
    {
        using var scope = NewDisposeScope();
        var (x, y) = Regression.Data(6);
        return (x.DetachFromDisposeScope(), y.DetachFromDisposeScope());
    }

    private static ShuffledBatches<(Tensor X, Tensor Y)> Shuffled(Tensor x, Tensor y) =>
        new(6, 2, samples => (x[tensor(samples)], y[tensor(samples)]));
}
