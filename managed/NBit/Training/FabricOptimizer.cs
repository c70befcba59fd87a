using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>
/// An optimizer that <see cref="Fabric" /> set up: its step unscales gradients and skips overflowed ones where the
/// precision needs it.
/// </summary>
public sealed class FabricOptimizer : optim.Optimizer
{
    private readonly Fabric _fabric;

    internal FabricOptimizer(Fabric fabric, optim.Optimizer optimizer)
        : base(0)
    {
        _fabric = fabric;
        Optimizer = optimizer;
    }

    /// <summary>The optimizer itself.</summary>
    public optim.Optimizer Optimizer { get; }

    /// <inheritdoc />
    public override IEnumerable<optim.ILearningRateController> ParamGroups => Optimizer.ParamGroups;

    /// <inheritdoc />
    public override Tensor? step(Func<Tensor>? closure = null) => _fabric.Precision.OptimizerStep(Optimizer, closure);

    /// <inheritdoc />
    public override void zero_grad()
    {
        using var scope = NewDisposeScope(); // TorchSharp's leaves a tensor for each parameter
        Optimizer.zero_grad();
    }

    /// <inheritdoc />
    public override IEnumerable<Parameter> parameters() => Optimizer.parameters();

    /// <inheritdoc />
    public override void add_param_group(ParamGroup param_group) => Optimizer.add_param_group(param_group);

    /// <summary>Releases the optimizer itself too.</summary>
    /// <param name="disposing">Whether it was called by Dispose.</param>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Optimizer.Dispose();
        }

        base.Dispose(disposing);
    }
}
