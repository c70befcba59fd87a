using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>
/// An optimizer in manual optimization: its step follows the precision, calls the hook and is counted.
/// </summary>
internal sealed class ManualOptimizer(Trainer trainer, optim.Optimizer optimizer) : optim.Optimizer(0)
{
    public optim.Optimizer Optimizer => optimizer;

    public override IEnumerable<optim.ILearningRateController> ParamGroups => optimizer.ParamGroups;

    public override Tensor? step(Func<Tensor>? closure = null)
    {
        var result = trainer.Precision.OptimizerStep(
            optimizer,
            closure,
            () => trainer.Module.OnBeforeOptimizerStep(optimizer),
            keepsUnscaling: true
        );
        trainer.Progress.GlobalStep++;
        return result;
    }

    public override void zero_grad() => trainer.Module.OptimizerZeroGrad(optimizer);

    public override IEnumerable<Parameter> parameters() => optimizer.parameters();
}
