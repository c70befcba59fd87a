using NBit.Amp;
using NBit.Optimizers;
using NBit.Precision;
using NBit.Training;
using NBit.Training.Callbacks;
using NBit.Training.Data;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>
/// A fit of two epochs of 7 batches with dropout, shuffling, means that are taken and validation inside the epochs;
/// everything that a resumed one must repeat is noted.
/// </summary>
internal sealed class RecordedRun
{
    public const int Samples = 14,
        BatchSize = 2,
        Epochs = 2;

    /// <summary>Of 16-mixed: the first steps overflow and are skipped.</summary>
    public const double InitialScale = 1 << 20;

    public string Mode { get; init; } = "32-true";

    public int Accumulate { get; init; } = 1;

    public int? MaxSteps { get; init; }

    public int? ValCheckInterval { get; init; } = 3;

    public bool Shuffles { get; init; } = true;

    public Func<IEnumerable<Parameter>, IReadOnlyList<OptimizerConfiguration>> Configure { get; init; } =
        parameters => [optim.AdamW(parameters, 0.01)];

    /// <summary>Few checkpoints unless more are asked for: each waits for the disk.</summary>
    public IReadOnlyList<Callback> Callbacks { get; set; } = [Saving(4)];

    /// <summary>The loss of each batch, by epoch and number; its bits.</summary>
    public Dictionary<(int Epoch, int Batch), int> Losses { get; } = [];

    /// <summary>
    /// What there was when the fit ended: weights, optimizer state, learning rates, scaler, random numbers.
    /// </summary>
    public List<string> Final { get; } = [];

    public IReadOnlyDictionary<string, double> Metrics { get; private set; } =
        new Dictionary<string, double>(StringComparer.Ordinal);

    /// <summary>Keeps a checkpoint of every so many steps.</summary>
    public static ModelCheckpoint Saving(int everyNSteps) =>
        new(saveTopK: -1, saveLast: false, everyNTrainSteps: everyNSteps);

    /// <param name="folder">The trainer's folder.</param>
    /// <param name="resumeFrom">As in the trainer.</param>
    /// <param name="cancelAfter">Ends the run after so many batches.</param>
    /// <param name="seed">Of the weights and the random numbers; of no consequence for a run that resumes.</param>
    public void Fit(string folder, string? resumeFrom = null, int? cancelAfter = null, long seed = 1)
    {
        using var scope = NewDisposeScope();
        var (x, y) = Regression.Data(Samples);
        using var module = Regression.Make(dropout: 0.3, seed);
        using var trainer = new Trainer(
            plugin: Mode == "16-mixed"
                ? new MixedPrecision(
                    Mode,
                    DeviceType.CPU,
                    new GradScaler(DeviceType.CPU, InitialScale, growthInterval: 3)
                )
                : PrecisionModes.Create(Mode, DeviceType.CPU),
            accelerator: "cpu",
            maxEpochs: Epochs,
            maxSteps: MaxSteps,
            accumulateGradBatches: Accumulate,
            valCheckInterval: ValCheckInterval,
            defaultRootDir: folder,
            logEveryNSteps: 1,
            enableProgressBar: false,
            handleInterrupt: false,
            callbacks: Callbacks
        );
        using var cancellation = new CancellationTokenSource();
        optim.Optimizer optimizer = null!;
        module.Configure = parameters =>
        {
            var configured = Configure(parameters);
            optimizer = configured[0].Optimizer;
            return configured;
        };
        module.OnStep = (inner, loss, index) =>
        {
            Losses[(inner.CurrentEpoch, index)] = BitConverter.SingleToInt32Bits(
                loss.to(ScalarType.Float32).item<float>()
            );
            inner.Log(
                "loss",
                loss.to(ScalarType.Float64).item<double>(),
                onStep: true,
                onEpoch: true,
                batchSize: index + 1
            );
            if (Losses.Count == cancelAfter)
            {
                cancellation.Cancel();
            }

            return loss;
        };
        module.OnValidationLoss = (inner, loss) => inner.Log("val", loss);
        module.OnHook = hook =>
        {
            if (hook.EndsWith("ends", StringComparison.Ordinal))
            {
                Final.Clear();
                Final.AddRange(Describe(module, optimizer, trainer.Precision));
            }
        };
        var batches = new ShuffledBatches<(Tensor X, Tensor Y)>(Samples, BatchSize, Pick, seed: 3, shuffle: Shuffles);
        trainer.Fit(module, batches, Shuffles ? Regression.Batches(2) : null, resumeFrom, cancellation.Token);
        Metrics = trainer.LoggedMetrics.ToDictionary(StringComparer.Ordinal);

        (Tensor X, Tensor Y) Pick(long[] samples)
        {
            using var chosen = tensor(samples);
            return (x.index_select(0, chosen), y.index_select(0, chosen));
        }
    }

    private static IEnumerable<string> Describe(Regression module, optim.Optimizer optimizer, PrecisionMode precision)
    {
        using var scope = NewDisposeScope();
        return module
            .state_dict()
            .Select(entry => $"{entry.Key} {Bits(entry.Value)}")
            .Concat(optimizer is OptimizerHelper ? Optimizers.State(optimizer).Select(Bits) : [])
            .Concat(
                optimizer is INamedStateOptimizer named ? named.NamedStates().Select(state => Bits(state.Tensor)) : []
            )
            .Concat(optimizer.ParamGroups.Select(group => FormattableString.Invariant($"rate {group.LearningRate:R}")))
            .Concat(precision.StateDict().Select(entry => FormattableString.Invariant($"{entry.Key} {entry.Value:R}")))
            .Append(Bits(random.get_rng_state()))
            .ToList();
    }

    private static string Bits(Tensor tensor) =>
        $"{tensor.dtype} {Convert.ToHexString(tensor.detach().contiguous().bytes)}";
}
