using System.Diagnostics;
using NBit.Training;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Training;

/// <summary>The model with its loss and optimizer; times all epochs from start to end.</summary>
internal sealed class TimedModule : TrainingModule<(Tensor Inputs, Tensor Labels)>
{
    private readonly Mlp _model;
    private readonly StepCase _how;
    private long _start;

    public TimedModule(Mlp model, StepCase how)
        : base(nameof(TimedModule))
    {
        (_model, _how) = (model, how);
        RegisterComponents();
    }

    public double Seconds { get; private set; }

    public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers() => [_how.CreateOptimizer(parameters())];

    public override Tensor? TrainingStep((Tensor Inputs, Tensor Labels) batch, int batchIndex) =>
        nn.functional.cross_entropy(_model.forward(batch.Inputs), batch.Labels);

    public override void OnTrainStart() => _start = Stopwatch.GetTimestamp();

    public override void OnTrainEnd() => Seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
}
