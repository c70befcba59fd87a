using NBit.Benchmarks.Measurement;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Optimizers;

/// <summary>Parameters with gradients, and an optimizer of them that has stepped once.</summary>
internal sealed class OptimizerRun : IDisposable
{
    private readonly List<Parameter> _parameters;
    private readonly optim.Optimizer _optimizer;

    /// <param name="tensors">How many parameters.</param>
    /// <param name="elements">The elements of each.</param>
    /// <param name="make">Makes the optimizer.</param>
    public OptimizerRun(int tensors, long elements, Func<IEnumerable<Parameter>, optim.Optimizer> make)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var numbers = randn(tensors, elements);
        var gradients = randn(tensors, elements) * 0.1;
        _parameters =
        [
            .. Enumerable
                .Range(0, tensors)
                .Select(index => new Parameter(numbers[index].clone()) { grad = gradients[index].clone() }),
        ];
        Start = numbers.MoveToOuterDisposeScope();
        Gradients = gradients.MoveToOuterDisposeScope();
        _parameters.ForEach(parameter => parameter.DetachFromDisposeScope());
        _optimizer = make(_parameters);
        _optimizer.step()?.Dispose();
    }

    /// <summary>The parameters before the first step: [tensors, elements].</summary>
    public Tensor Start { get; }

    /// <summary>The gradients: [tensors, elements].</summary>
    public Tensor Gradients { get; }

    /// <summary>The parameters as they are, as one tensor [tensors, elements].</summary>
    public Tensor Numbers() => stack(_parameters.Select(parameter => parameter.detach()));

    /// <summary>The seconds that a step takes.</summary>
    public double Seconds() => Clock.Seconds(() => _optimizer.step()?.Dispose());

    public void Dispose()
    {
        _optimizer.Dispose();
        _parameters.ForEach(parameter => parameter.Dispose());
        Start.Dispose();
        Gradients.Dispose();
    }
}
