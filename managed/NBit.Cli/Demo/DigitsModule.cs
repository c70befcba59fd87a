using NBit.Quantization;
using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Cli.Demo;

/// <summary>64 pixels -> two hidden layers with norms and dropout -> 10 digits.</summary>
internal sealed class DigitsModule : TrainingModule<(Tensor Images, Tensor Labels)>
{
    private const int Hidden = 128,
        AdapterRank = 32;
    private readonly Linear _input = nn.Linear(64, Hidden),
        _hidden = nn.Linear(Hidden, Hidden),
        _output = nn.Linear(Hidden, 10);
    private readonly LayerNorm _inputNorm = nn.LayerNorm(Hidden),
        _hiddenNorm = nn.LayerNorm(Hidden);
    private readonly Dropout _dropout = nn.Dropout(0.1);
    private readonly int _epochs;
    private readonly bool _hasAdapters;
    private readonly string _optimizer;
    private readonly double _epsilon;

    /// <param name="epochs">How many epochs will be trained.</param>
    /// <param name="hasAdapters">Whether linear layers are frozen and adapters are trained in their place.</param>
    /// <param name="optimizer">Of <see cref="DigitsOptimizers" />.</param>
    /// <param name="epsilon">Adam's.</param>
    public DigitsModule(
        int epochs,
        bool hasAdapters,
        string optimizer = DigitsOptimizers.Default,
        double epsilon = DigitsOptimizers.Epsilon
    )
        : base(nameof(DigitsModule))
    {
        _epochs = epochs;
        _hasAdapters = hasAdapters;
        _optimizer = optimizer;
        _epsilon = epsilon;
        RegisterComponents();
    }

    /// <summary>The loss of each training step.</summary>
    public List<double> Losses { get; } = [];

    /// <summary>The scales of <see cref="ScaledLayer" /> after each step, where it has some.</summary>
    public ScaleHistory Scales { get; } = new();

    /// <summary>The name of the layer whose scales are noted.</summary>
    public static string ScaledLayer => nameof(_hidden);

    /// <summary>What the optimizer's state takes.</summary>
    public long OptimizerBytes { get; private set; }

    public Tensor Forward(Tensor images)
    {
        var x = _dropout.forward(nn.functional.relu(_inputNorm.forward(_input.forward(images))));
        x = _dropout.forward(nn.functional.relu(_hiddenNorm.forward(_hidden.forward(x))));
        return _output.forward(x);
    }

    public override void ConfigureModel()
    {
        if (_hasAdapters && !Lora.Parameters(this).Any())
        {
            Lora.Attach(this, AdapterRank, alpha: 2 * AdapterRank, freezeOthers: false);
        }
    }

    public override Tensor? TrainingStep((Tensor Images, Tensor Labels) batch, int batchIndex)
    {
        var loss = nn.functional.cross_entropy(Forward(batch.Images), batch.Labels);
        Losses.Add(loss.detach().to(ScalarType.Float64).item<double>());
        Log("loss", Losses[^1], progressBar: true);
        return loss;
    }

    public override void OnTrainBatchEnd((Tensor Images, Tensor Labels) batch, int batchIndex) => Scales.Add(_hidden);

    public override void TestStep((Tensor Images, Tensor Labels) batch, int batchIndex)
    {
        var right = Forward(batch.Images).argmax(1).eq(batch.Labels);
        Log("accuracy", right.to(ScalarType.Float32).mean(), batchSize: batch.Labels.shape[0]);
    }

    public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers()
    {
        var optimizer = DigitsOptimizers.Make(
            _optimizer,
            [.. parameters().Where(parameter => parameter.requires_grad)],
            _epsilon
        );
        var scheduler = optim.lr_scheduler.CosineAnnealingLR(
            optimizer,
            T_max: Trainer.BatchesPerEpoch!.Value * _epochs
        );
        return [new OptimizerConfiguration(optimizer, new SchedulerConfiguration(scheduler, SchedulerInterval.Step))];
    }

    public override void OnFitEnd() => OptimizerBytes = MemorySize.OptimizerBytes(Trainer.ConfiguredOptimizers[0]);
}
