using NBit.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>
/// The module whose hooks were recorded: one linear layer of weights 0.5, and an event for each hook.
/// </summary>
internal sealed class HookedModule : TrainingModule<Tensor>
{
#pragma warning disable IDE1006 // the name of a layer is that of its field
    private readonly Linear l = nn.Linear(2, 1, hasBias: false);
#pragma warning restore IDE1006
    private readonly int[] _skip,
        _overflow;
    private readonly bool _manual;
    private readonly string _optimizer;
    private double _loss;

    public HookedModule(int[]? skip = null, int[]? overflow = null, bool manual = false, string optimizer = "sgd")
        : base(nameof(HookedModule))
    {
        (_skip, _overflow, _manual, _optimizer) = (skip ?? [], overflow ?? [], manual, optimizer);
        nn.init.constant_(l.weight, 0.5);
        RegisterComponents();
    }

    /// <summary>What happened, in order: the name of a hook and what it saw.</summary>
    public List<object?[]> Events { get; } = [];

    public ScalarType WeightType => l.weight.dtype;

    public override bool AutomaticOptimization => !_manual;

    public override Tensor? TrainingStep(Tensor batch, int batchIndex)
    {
        Events.Add(["training_step", batchIndex]);
        if (_skip.Contains(batchIndex))
        {
            return null;
        }

        var loss = l.forward(batch).to(ScalarType.Float32).mean();
        if (_overflow.Contains(batchIndex))
        {
            loss = loss * 1e38f;
        }

        _loss = loss.item<float>();
        if (!_manual)
        {
            return loss;
        }

        var optimizer = Optimizers()[0];
        optimizer.zero_grad();
        ManualBackward(loss);
        Events.Add(["grads right after manual_backward", Gradient()]);
        optimizer.step();
        return null;
    }

    public override void OnBeforeZeroGrad(optim.Optimizer optimizer) => Events.Add(["on_before_zero_grad"]);

    public override void OnBeforeBackward(Tensor loss)
    {
        object? ratio =
            Math.Abs(_loss) >= 1e30 ? Text(loss.item<float>())
            : _loss == 0 ? null
            : Math.Round(loss.item<float>() / _loss, 6);
        Events.Add(["on_before_backward", "loss/true_loss", ratio]);
    }

    public override void OnAfterBackward() => Events.Add(["on_after_backward", "grad", Gradient()]);

    public override void OnBeforeOptimizerStep(optim.Optimizer optimizer) =>
        Events.Add(["on_before_optimizer_step", "grad", Gradient()]);

    public override void ConfigureGradientClipping(
        optim.Optimizer optimizer,
        double? gradientClipVal,
        GradientClipAlgorithm? gradientClipAlgorithm
    )
    {
        Events.Add([
            "configure_gradient_clipping",
            gradientClipVal,
            gradientClipAlgorithm?.ToString().ToLowerInvariant(),
        ]);
        ClipGradients(optimizer, gradientClipVal, gradientClipAlgorithm);
        Events.Add(["grad after clip", Gradient()]);
    }

    public override void OptimizerStep(int epoch, int batchIndex, optim.Optimizer optimizer, Func<Tensor?> closure)
    {
        Events.Add(["optimizer_step begins"]);
        base.OptimizerStep(epoch, batchIndex, optimizer, closure);
        Events.Add([
            "optimizer_step ended",
            "weight",
            l
                .weight.to(ScalarType.Float32)
                .data<float>()
                .Select(value => (object)Math.Round((double)value, 6))
                .ToArray(),
        ]);
    }

    public override void LrSchedulerStep(optim.lr_scheduler.LRScheduler scheduler, double? metric)
    {
        Events.Add(["lr_scheduler_step"]);
        base.LrSchedulerStep(scheduler, metric);
    }

    public override IReadOnlyList<OptimizerConfiguration> ConfigureOptimizers()
    {
        optim.Optimizer optimizer = _optimizer switch
        {
            "sgd" => optim.SGD(parameters(), 0.125),
            "lbfgs" => optim.LBFGS(parameters()),
            "fused" => new Fused.AdamW(parameters()),
            _ => throw new ArgumentException($"unknown optimizer {_optimizer}"),
        };
        return _optimizer == "sgd" && !_manual
            ?
            [
                new OptimizerConfiguration(
                    optimizer,
                    new SchedulerConfiguration(optim.lr_scheduler.StepLR(optimizer, 100), SchedulerInterval.Step)
                ),
            ]
            : [optimizer];
    }

    // Gradients as they were recorded: as text where one is over 1e30.
    private object?[]? Gradient()
    {
        using var gradient = l.weight.grad;
        var values = gradient?.to(ScalarType.Float32).data<float>().ToArray();
        return values is null ? null
            : Array.TrueForAll(values, value => Math.Abs(value) < 1e30)
                ? [.. values.Select(value => (object)(double)value)]
            : [.. values.Select(Text)];
    }

    private static string Text(float value) =>
        float.IsNaN(value) ? "nan"
        : float.IsPositiveInfinity(value) ? "inf"
        : float.IsNegativeInfinity(value) ? "-inf"
        : $"{value}";
}
