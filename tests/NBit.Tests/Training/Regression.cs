using NBit.Precision;
using NBit.Training;
using NBit.Training.Callbacks;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Training;

/// <summary>A small network with dropout; what it does beside its step is chosen by properties.</summary>
internal sealed class Regression : TrainingModule<(Tensor X, Tensor Y)>
{
    private readonly Linear _first = nn.Linear(4, 8),
        _last = nn.Linear(8, 1);
    private readonly Dropout _dropout;

    public Regression(double dropout = 0)
        : base(nameof(Regression))
    {
        _dropout = nn.Dropout(dropout);
        RegisterComponents();
    }

    public Func<IEnumerable<Parameter>, IReadOnlyList<OptimizerConfiguration>> Configure { get; set; } =
        parameters => [optim.SGD(parameters, 0.05, momentum: 0.9)];

    /// <summary>Runs inside each training step, with the loss; it may log, throw or give another loss.</summary>
    public Func<Regression, Tensor, int, Tensor?> OnStep { get; set; } = (_, loss, _) => loss;

    public Action<Regression, double>? OnValidationLoss { get; set; }

    public Action<string>? OnHook { get; set; }

    /// <summary>The losses of all training steps, as bits.</summary>
    public List<float> Losses { get; } = [];

    public Tensor Predict(Tensor x) => _last.forward(_dropout.forward(nn.functional.relu(_first.forward(x))));

    public new void Log(
        string name,
        double value,
        bool? onStep = null,
        bool? onEpoch = null,
        bool progressBar = false,
        double batchSize = 1
    ) => base.Log(name, value, onStep, onEpoch, progressBar, batchSize);

    public override Tensor? TrainingStep((Tensor X, Tensor Y) batch, int batchIndex)
    {
        var loss = OnStep(this, nn.functional.mse_loss(Predict(batch.X), batch.Y), batchIndex);
        if (loss is not null)
        {
            using var number = loss.detach().to(ScalarType.Float32);
            Losses.Add(number.item<float>());
        }

        return loss;
    }

    public override void ValidationStep((Tensor X, Tensor Y) batch, int batchIndex)
    {
        using var loss = nn.functional.mse_loss(Predict(batch.X), batch.Y).to(ScalarType.Float64);
        OnValidationLoss?.Invoke(this, loss.item<double>());
        OnHook?.Invoke($"validation step {batchIndex}");
    }

    public override void TestStep((Tensor X, Tensor Y) batch, int batchIndex) =>
        OnHook?.Invoke($"test step {batchIndex}");

    public override object? PredictStep((Tensor X, Tensor Y) batch, int batchIndex) => Predict(batch.X);

    public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => Configure(parameters());

    public override void OnTrainEpochStart() => OnHook?.Invoke($"epoch {CurrentEpoch}");

    public override void OnTrainEpochEnd() => OnHook?.Invoke($"epoch {CurrentEpoch} ends");

    public override void OnTrainBatchEnd((Tensor X, Tensor Y) batch, int batchIndex) =>
        OnHook?.Invoke($"batch {batchIndex}");

    public override void OnValidationStart() => OnHook?.Invoke("validation");

    public override void OnTestStart() => OnHook?.Invoke("test");

    public override void OnPredictStart() => OnHook?.Invoke("prediction");

    /// <summary>The weights as numbers, by name.</summary>
    public Dictionary<string, float[]> Weights()
    {
        using var scope = NewDisposeScope();
        return state_dict()
            .ToDictionary(
                entry => entry.Key,
                entry => entry.Value.detach().to(ScalarType.Float32).reshape(-1).data<float>().ToArray(),
                StringComparer.Ordinal
            );
    }

    /// <summary>A module that is the same each time, with what a fit needs.</summary>
    public static Regression Make(double dropout = 0, long seed = 1)
    {
        Trainer.SeedEverything(seed);
        return new Regression(dropout);
    }

    /// <summary>The same data each time: y is a function of x.</summary>
    public static (Tensor X, Tensor Y) Data(int samples)
    {
        var x = (arange(samples * 4, ScalarType.Float32) * 0.37f).sin().reshape(samples, 4);
        return (x, x.sum(1, keepdim: true).tanh());
    }

    public static List<(Tensor X, Tensor Y)> Batches(int count, int batchSize = 3)
    {
        var (x, y) = Data(count * batchSize);
        return [.. x.chunk(count).Zip(y.chunk(count))];
    }

    public static Trainer Train(
        string? folder = null,
        PrecisionMode? plugin = null,
        int? maxEpochs = 1,
        long? maxSteps = null,
        int accumulate = 1,
        int? valCheckInterval = null,
        int checkValEveryNEpoch = 1,
        int logEveryNSteps = 1,
        params Callback[] callbacks
    ) =>
        new(
            plugin: plugin,
            accelerator: "cpu",
            maxEpochs: maxEpochs,
            maxSteps: maxSteps,
            accumulateGradBatches: accumulate,
            valCheckInterval: valCheckInterval,
            checkValEveryNEpoch: checkValEveryNEpoch,
            defaultRootDir: folder,
            logEveryNSteps: logEveryNSteps,
            enableProgressBar: false,
            handleInterrupt: false,
            callbacks: callbacks
        );
}
