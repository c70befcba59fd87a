using NBit.Interop;
using NBit.Precision;
using NBit.Tensors;
using NBit.Training.Callbacks;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>
/// Runs the training, validation, testing and prediction of a <see cref="TrainingModule{TBatch}" /> in a precision
/// (Lightning's Trainer).
/// </summary>
/// <remarks>
/// <code>
/// var trainer = new Trainer(precision: "bf16-mixed", maxEpochs: 5, defaultRootDir: "run");
/// trainer.Fit(module, trainBatches, validationBatches);
/// </code>
/// Any sequence of batches is a data source, TorchSharp's DataLoader included. Batches are the source's: the trainer
/// releases only what it made of them. A run that wrote checkpoints is continued with <c>resumeFrom: "last"</c>; the
/// losses are then
/// those of a run that was never interrupted, if the source is <see cref="Data.IRepositionable" />.
/// </remarks>
public sealed class Trainer : IDisposable
{
    private const int DefaultMaxEpochs = 1000;
    private readonly List<Callback> _callbacks;
    private bool _fits;
    private bool _isSetUp;

    /// <summary>Chooses a device, a precision and how long and how to train.</summary>
    /// <param name="precision">One of the strings or integers of <see cref="PrecisionInput" />; "32-true" if none is
    /// given.</param>
    /// <param name="plugin">A mode that was made already, instead of <paramref name="precision" />.</param>
    /// <param name="accelerator">"auto" (a GPU if there is one), "cpu" or "gpu".</param>
    /// <param name="devices">1, or the index of one device.</param>
    /// <param name="maxEpochs">The most epochs; 1000 if neither limit is given.</param>
    /// <param name="maxSteps">The most optimizer steps.</param>
    /// <param name="limitTrainBatches">The most batches of a training epoch.</param>
    /// <param name="limitValBatches">The most batches of a validation.</param>
    /// <param name="limitTestBatches">The most batches of a test.</param>
    /// <param name="limitPredictBatches">The most batches of a prediction.</param>
    /// <param name="valCheckInterval">Validate every so many training batches; by default at the end of the
    /// epoch.</param>
    /// <param name="checkValEveryNEpoch">Validate in every so many epochs.</param>
    /// <param name="accumulateGradBatches">Step the optimizer after so many batches; the loss is divided by this
    /// number.</param>
    /// <param name="gradientClipVal">The limit for gradients; null or 0 for none.</param>
    /// <param name="gradientClipAlgorithm">How they are clipped; by norm if none is given.</param>
    /// <param name="detectAnomalies">Fail at the first operation whose gradient, or loss, is NaN or infinite, instead
    /// of a warning.</param>
    /// <param name="defaultRootDir">The folder for checkpoints and metrics.csv; null to write nothing.</param>
    /// <param name="logEveryNSteps">Write the metrics of every so many optimizer steps.</param>
    /// <param name="enableProgressBar">Whether progress is shown: a live bar in a terminal, lines elsewhere.</param>
    /// <param name="handleInterrupt">
    /// Whether Ctrl-C (and SIGTERM) during <c>Fit</c> ends it after the current step, with a checkpoint, and then the
    /// process with
    /// the usual exit code (130, 143). A second one ends the process at once.
    /// </param>
    /// <param name="callbacks">
    /// What watches the run. If there is a folder, a <see cref="CsvMetrics" /> and a <see cref="ModelCheckpoint" />
    /// with the default settings are added unless one is given. Checkpoints come last, with the state that all others
    /// have by then.
    /// </param>
    /// <exception cref="ArgumentException">An argument is not allowed, or both precision and plugin were
    /// given.</exception>
    /// <exception cref="NotSupportedException">There is no such device, or more than one was asked for.</exception>
    public Trainer(
        PrecisionInput precision = default,
        PrecisionMode? plugin = null,
        string accelerator = "auto",
        DevicesInput devices = default,
        int? maxEpochs = null,
        long? maxSteps = null,
        int? limitTrainBatches = null,
        int? limitValBatches = null,
        int? limitTestBatches = null,
        int? limitPredictBatches = null,
        int? valCheckInterval = null,
        int checkValEveryNEpoch = 1,
        int accumulateGradBatches = 1,
        double? gradientClipVal = null,
        GradientClipAlgorithm? gradientClipAlgorithm = null,
        bool detectAnomalies = false,
        string? defaultRootDir = null,
        int logEveryNSteps = 50,
        bool enableProgressBar = true,
        bool handleInterrupt = true,
        IEnumerable<Callback>? callbacks = null
    )
    {
        foreach (
            var (name, value) in ((string, long?)[])
                [
                    (nameof(maxEpochs), maxEpochs),
                    (nameof(maxSteps), maxSteps),
                    (nameof(limitTrainBatches), limitTrainBatches),
                    (nameof(limitValBatches), limitValBatches),
                    (nameof(limitTestBatches), limitTestBatches),
                    (nameof(limitPredictBatches), limitPredictBatches),
                ]
        )
        {
            Require(value is null or >= 0, name, value, "0 or more, or null");
        }

        Require(
            valCheckInterval is null or >= 1,
            nameof(valCheckInterval),
            valCheckInterval,
            "1 or more batches, or null for the end of the epoch"
        );
        Require(checkValEveryNEpoch >= 1, nameof(checkValEveryNEpoch), checkValEveryNEpoch, "1 or more");
        Require(accumulateGradBatches >= 1, nameof(accumulateGradBatches), accumulateGradBatches, "1 or more");
        Require(logEveryNSteps >= 1, nameof(logEveryNSteps), logEveryNSteps, "1 or more");
        Require(
            gradientClipVal is null || !double.IsNaN(gradientClipVal.Value),
            nameof(gradientClipVal),
            gradientClipVal,
            "a number or null"
        );
        if (gradientClipAlgorithm is { } algorithm && !Enum.IsDefined(algorithm))
        {
            throw new ArgumentException(
                $"`gradient_clip_algorithm` {algorithm} is invalid. Allowed algorithms: {string.Join(", ", Enum.GetNames<GradientClipAlgorithm>())}.",
                nameof(gradientClipAlgorithm)
            );
        }

        Device = DeviceSelection.Resolve(accelerator, devices);
        Precision = PrecisionModes.Resolve(precision, plugin, Device.type, nameof(Trainer));
        MaxEpochs = maxEpochs ?? (maxSteps is null ? DefaultMaxEpochs : int.MaxValue);
        MaxSteps = maxSteps ?? long.MaxValue;
        LimitTrainBatches = limitTrainBatches ?? int.MaxValue;
        LimitValBatches = limitValBatches ?? int.MaxValue;
        LimitTestBatches = limitTestBatches ?? int.MaxValue;
        LimitPredictBatches = limitPredictBatches ?? int.MaxValue;
        ValCheckInterval = valCheckInterval;
        CheckValEveryNEpoch = checkValEveryNEpoch;
        AccumulateGradBatches = accumulateGradBatches;
        GradientClipVal = gradientClipVal;
        GradientClipAlgorithm = gradientClipAlgorithm;
        DetectAnomalies = detectAnomalies;
        DefaultRootDir = defaultRootDir is null ? null : Path.GetFullPath(defaultRootDir);
        HandleInterrupt = handleInterrupt;
        _callbacks = CallbackList.Complete(
            callbacks ?? [],
            DefaultRootDir is not null,
            logEveryNSteps,
            enableProgressBar
        );
    }

    /// <summary>The precision.</summary>
    public PrecisionMode Precision { get; }

    /// <summary>The device that is trained on.</summary>
    public Device Device { get; }

    /// <summary>The folder for checkpoints and metrics; null if nothing is written.</summary>
    public string? DefaultRootDir { get; }

    /// <summary>What watches the run.</summary>
    public IReadOnlyList<Callback> Callbacks => _callbacks;

    /// <summary>What the trainer is doing.</summary>
    public Stage Stage => Metrics.Stage;

    /// <summary>The number of the current epoch, from 0; after an epoch, of the next one.</summary>
    public int CurrentEpoch => Progress.Epoch + (Progress.IsBrokenOff ? 1 : 0);

    /// <summary>How many optimizer steps were made, skipped ones included.</summary>
    public long GlobalStep => Progress.GlobalStep;

    /// <summary>How many batches of the current epoch are done.</summary>
    public int CurrentBatch => Progress.Batch;

    /// <summary>The number of batches in a training epoch, if it is known.</summary>
    public int? BatchesPerEpoch { get; internal set; }

    /// <summary>Set to true to end training after the current batch.</summary>
    public bool ShouldStop { get; set; }

    /// <summary>The latest value of each metric.</summary>
    public IReadOnlyDictionary<string, double> LoggedMetrics => Metrics.Latest;

    /// <summary>The metrics that the last training step logged.</summary>
    public IReadOnlyDictionary<string, double> StepMetrics => Metrics.LastStep;

    /// <summary>What the progress bar shows beside the numbers of epoch and batch.</summary>
    public IEnumerable<(string Name, double Value)> ProgressBarMetrics => Metrics.ProgressBar;

    /// <summary>The optimizers of the running fit, as the module configured them.</summary>
    public IReadOnlyList<optim.Optimizer> ConfiguredOptimizers =>
        [.. Optimizers.Select(configuration => configuration.Optimizer)];

    /// <summary>The module that is being run.</summary>
    /// <exception cref="InvalidOperationException">None is.</exception>
    public TrainingModule Module =>
        Current ?? throw new InvalidOperationException("the trainer runs no module at the moment");

    internal int MaxEpochs { get; }

    internal long MaxSteps { get; }

    internal int LimitTrainBatches { get; }

    internal int LimitValBatches { get; }

    internal int LimitTestBatches { get; }

    internal int LimitPredictBatches { get; }

    internal int? ValCheckInterval { get; }

    internal int CheckValEveryNEpoch { get; }

    internal int AccumulateGradBatches { get; }

    internal double? GradientClipVal { get; }

    internal GradientClipAlgorithm? GradientClipAlgorithm { get; }

    internal bool DetectAnomalies { get; }

    internal bool HandleInterrupt { get; }

    internal MetricStore Metrics { get; } = new();

    internal FitProgress Progress { get; set; } = new();

    internal TrainingModule? Current { get; private set; }

    internal IReadOnlyList<OptimizerConfiguration> Optimizers { get; set; } = [];

    internal IReadOnlyList<ManualOptimizer> ManualOptimizers { get; set; } = [];

    /// <summary>Whether the fit has validation data.</summary>
    internal bool Validates { get; set; }

    /// <summary>Seeds libtorch's random numbers, on all devices.</summary>
    /// <param name="seed">The seed.</param>
    public static void SeedEverything(long seed)
    {
        TorchSharpInterposition.RequireLibrary();
        random.manual_seed(seed);
    }

    /// <summary>Trains a module.</summary>
    /// <typeparam name="TBatch">What a batch is.</typeparam>
    /// <param name="module">The module; its weights are converted in place to the precision's dtype.</param>
    /// <param name="trainBatches">The training data; enumerated once an epoch.</param>
    /// <param name="validationBatches">The validation data, or null for none.</param>
    /// <param name="resumeFrom">A checkpoint to continue from, or "last" for the last one in the folder if there is
    /// one; null to begin anew.</param>
    /// <param name="cancellationToken">Ends training after the current step, with a checkpoint if there is a
    /// folder.</param>
    /// <exception cref="DataSourceException">A data source threw, or gave no batch.</exception>
    /// <exception cref="NonFiniteLossException">A loss is NaN or infinite and anomalies are to be detected.</exception>
    /// <exception cref="NotSupportedException">The precision cannot train with the optimizer.</exception>
    /// <exception cref="InvalidOperationException">The module's configuration does not fit the trainer's.</exception>
    /// <exception cref="CheckpointMismatchException">The checkpoint is of another model or optimizer; nothing was
    /// changed.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Fit<TBatch>(
        TrainingModule<TBatch> module,
        IEnumerable<TBatch> trainBatches,
        IEnumerable<TBatch>? validationBatches = null,
        string? resumeFrom = null,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(trainBatches);
        using (Attach(module, Stage.Training))
        using (var interruption = new Interruption(HandleInterrupt, cancellationToken))
        {
            Progress = new FitProgress();
            ShouldStop = false;
            new FitLoop<TBatch>(this, module, trainBatches, validationBatches, interruption).Run(resumeFrom);
        }
    }

    /// <summary>Runs the validation steps of a module.</summary>
    /// <typeparam name="TBatch">What a batch is.</typeparam>
    /// <param name="module">The module; its weights are converted in place to the precision's dtype.</param>
    /// <param name="batches">The data.</param>
    /// <param name="checkpoint">A checkpoint whose weights are loaded first, or null.</param>
    /// <returns>The means of the metrics that were logged.</returns>
    public IReadOnlyDictionary<string, double> Validate<TBatch>(
        TrainingModule<TBatch> module,
        IEnumerable<TBatch> batches,
        string? checkpoint = null
    ) => Evaluate(module, batches, checkpoint, Stage.Validation);

    /// <summary>Runs the test steps of a module.</summary>
    /// <typeparam name="TBatch">What a batch is.</typeparam>
    /// <param name="module">The module; its weights are converted in place to the precision's dtype.</param>
    /// <param name="batches">The data.</param>
    /// <param name="checkpoint">A checkpoint whose weights are loaded first, or null.</param>
    /// <returns>The means of the metrics that were logged.</returns>
    public IReadOnlyDictionary<string, double> Test<TBatch>(
        TrainingModule<TBatch> module,
        IEnumerable<TBatch> batches,
        string? checkpoint = null
    ) => Evaluate(module, batches, checkpoint, Stage.Test);

    /// <summary>Collects the predictions of a module.</summary>
    /// <typeparam name="TBatch">What a batch is.</typeparam>
    /// <param name="module">The module; its weights are converted in place to the precision's dtype.</param>
    /// <param name="batches">The data.</param>
    /// <param name="checkpoint">A checkpoint whose weights are loaded first, or null.</param>
    /// <returns>What each prediction step returned; the tensors in it are the caller's.</returns>
    public IReadOnlyList<object?> Predict<TBatch>(
        TrainingModule<TBatch> module,
        IEnumerable<TBatch> batches,
        string? checkpoint = null
    )
    {
        ArgumentNullException.ThrowIfNull(batches);
        using (Attach(module, Stage.Prediction))
        {
            Prepare(module, checkpoint);
            return new EvaluationLoop<TBatch>(this, module, batches).Predict();
        }
    }

    /// <summary>Begins a scope in which new modules are made on the device, in this precision's dtype.</summary>
    /// <param name="emptyInit">True to leave weights uninitialized, which saves time where they are loaded
    /// next.</param>
    /// <returns>Ends the scope.</returns>
    public IDisposable InitModule(bool emptyInit = false) =>
        new InitContext(Device, Precision.ModuleInitContext, emptyInit);

    /// <summary>
    /// Writes the whole state of the running fit: weights, optimizers, schedulers, scaler, counters, random numbers.
    /// The file is replaced at once.
    /// </summary>
    /// <param name="path">Where to.</param>
    /// <exception cref="InvalidOperationException">Nothing is being fitted.</exception>
    /// <exception cref="IOException">It could not be written; a file that was there is as it was.</exception>
    public void SaveCheckpoint(string path) =>
        TrainingCheckpoint.Save(
            this,
            _fits
                ? Module
                : throw new InvalidOperationException(
                    "nothing is being fitted: a checkpoint is written by hooks and callbacks of Fit"
                ),
            path
        );

    /// <summary>Releases what the precision holds.</summary>
    public void Dispose() => (Precision as IDisposable)?.Dispose();

    /// <summary>The batch that steps see: cast, and on the device.</summary>
    internal TBatch Transfer<TBatch>(TBatch batch) => TensorCasts.MoveTo(Precision.ConvertBatch(batch), Device);

    /// <summary>The backward pass with its hooks.</summary>
    internal void Backward(Tensor loss)
    {
        var start = Precision.PreBackward(loss);
        Module.OnBeforeBackward(start);
        start.backward();
        Module.OnAfterBackward();
        if (!ReferenceEquals(start, loss))
        {
            start.Dispose();
        }
    }

    /// <summary>An optimizer step of automatic optimization, with its hooks and clipping.</summary>
    internal void StepOptimizer(optim.Optimizer optimizer, Func<Tensor?> closure) =>
        Precision.OptimizerStep(
            optimizer,
            closure,
            () =>
            {
                Module.OnBeforeOptimizerStep(optimizer);
                Module.ConfigureGradientClipping(optimizer, GradientClipVal, GradientClipAlgorithm);
            }
        );

    /// <summary>Makes the module what the precision needs, on the device.</summary>
    internal void Prepare(TrainingModule module, string? checkpoint)
    {
        _isSetUp = true;
        module.Setup(Stage);
        using (new InitContext(Device, Precision.ModuleInitContext, emptyInit: false))
        {
            module.ConfigureModel();
        }

        Precision.ConvertModule(module);
        TensorCasts.MoveModule(module, Device);
        if (checkpoint is not null)
        {
            TrainingCheckpoint.LoadWeights(module, checkpoint);
        }
    }

    internal void Notify(Action<Callback> hook) => _callbacks.ForEach(hook);

    private static void Require(bool holds, string name, object? value, string allowed)
    {
        if (!holds)
        {
            throw new ArgumentException($"{name} is {value}; allowed is {allowed}", name);
        }
    }

    private IReadOnlyDictionary<string, double> Evaluate<TBatch>(
        TrainingModule<TBatch> module,
        IEnumerable<TBatch> batches,
        string? checkpoint,
        Stage stage
    )
    {
        ArgumentNullException.ThrowIfNull(batches);
        using (Attach(module, stage))
        {
            Prepare(module, checkpoint);
            return new EvaluationLoop<TBatch>(this, module, batches).Run();
        }
    }

    private Attachment Attach(TrainingModule module, Stage stage)
    {
        ArgumentNullException.ThrowIfNull(module);
        if (Current is not null)
        {
            throw new InvalidOperationException(
                $"the trainer runs {Current.GetType().Name} already; one call at a time"
            );
        }

        TorchSharpInterposition.RequireLibrary();
        return new Attachment(this, module, stage);
    }

    private sealed class Attachment : IDisposable
    {
        private readonly Trainer _trainer;
        private readonly TrainingModule _module;

        public Attachment(Trainer trainer, TrainingModule module, Stage stage)
        {
            (_trainer, _module) = (trainer, module);
            trainer.Current = module;
            trainer._fits = stage == Stage.Training;
            trainer.Metrics.Clear();
            trainer.Metrics.Stage = stage;
            module.Trainer = trainer;
        }

        public void Dispose()
        {
            try
            {
                if (_trainer._isSetUp)
                {
                    _module.Teardown(_trainer.Stage);
                }
            }
            finally
            {
                Release();
            }
        }

        private void Release()
        {
            _module.Detach();
            _trainer._isSetUp = false;
            _trainer.Current = null;
            _trainer._fits = false;
            _trainer.Metrics.Stage = Stage.None;
            _trainer.Optimizers = [];
            _trainer.ManualOptimizers = [];
        }
    }
}
