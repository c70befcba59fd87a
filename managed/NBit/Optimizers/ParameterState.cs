using TorchSharp.Modules;

namespace NBit.Optimizers;

/// <summary>A parameter in an optimizer, and its state from the first step on.</summary>
/// <param name="name">Its name in files.</param>
/// <param name="parameter">The parameter.</param>
/// <param name="index">Its place among all parameters of the optimizer.</param>
internal sealed class ParameterState(string name, Parameter parameter, int index) : IDisposable
{
    public string Name => name;

    public Parameter Parameter => parameter;

    public int Index => index;

    /// <summary>How often it was stepped.</summary>
    public long Steps { get; set; }

    /// <summary>Its state; null before the first step.</summary>
    public StateTensors? Tensors { get; private set; }

    /// <summary>The state, on the parameter's device; made now if this is the first step.</summary>
    public StateTensors Ensure(OptimizerRule rule, OptimizerSettings settings, long count)
    {
        Tensors ??= StateTensors.Zeros(
            rule,
            parameter,
            isQuantized: settings.OptimBits == 8 && count >= settings.Min8bitSize
        );
        Tensors.MoveTo(parameter.device);
        return Tensors;
    }

    /// <summary>Takes a state in place of the one that it had, which is disposed.</summary>
    public void Set(long steps, StateTensors? tensors)
    {
        Tensors?.Dispose();
        (Steps, Tensors) = (steps, tensors);
    }

    public void Dispose() => Set(0, null);
}
