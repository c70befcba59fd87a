using TorchSharp;
using static TorchSharp.torch;

namespace NBit.Optimizers;

/// <summary>One step of an optimizer. Making it finds all that can be wrong, before a parameter is changed.</summary>
internal sealed class OptimizerStep : IDisposable
{
    private readonly OptimizerRule _rule;
    private readonly Dictionary<StepBatch.Key, StepBatch> _batches = [];

    /// <param name="rule">The optimizer.</param>
    /// <param name="groups">Its parameters.</param>
    public OptimizerStep(OptimizerRule rule, IEnumerable<ParameterGroup> groups)
    {
        _rule = rule;
        var steps = groups.SelectMany(Collect).ToList();
        foreach (var (state, settings, gradient, count) in steps)
        {
            Add(state, settings, gradient, count);
        }
    }

    /// <summary>Changes parameters and states.</summary>
    /// <param name="gradientScale">What gradients are multiplied by.</param>
    public void Run(float gradientScale)
    {
        foreach (var batch in _batches.Values)
        {
            batch.Run(gradientScale);
        }
    }

    /// <summary>Releases what was made for the step.</summary>
    public void Dispose()
    {
        foreach (var batch in _batches.Values)
        {
            batch.Dispose();
        }
    }

    // The parameters of a group that have gradients, with the options that hold for each.
    private IEnumerable<(ParameterState, OptimizerSettings, Tensor Gradient, long Count)> Collect(ParameterGroup group)
    {
        var own = group.Settings;
        _rule.Check(own); // schedulers may have set it to anything
        var overridden = new Dictionary<OptimizerSettings, OptimizerSettings>(ReferenceEqualityComparer.Instance);
        foreach (var state in group.States)
        {
            if (state.Parameter.grad is not { } gradient)
            {
                continue;
            }

            var count = state.Parameter.numel();
            Check(state, gradient, count);
            if (count == 0)
            {
                continue;
            }

            var settings = own;
            if (GlobalOptimManager.Find(state.Parameter) is { } other && !overridden.TryGetValue(other, out settings))
            {
                overridden.Add(other, settings = _rule.Complete(other, own));
            }

            yield return (state, settings, gradient, count);
        }
    }

    private void Add(ParameterState state, OptimizerSettings settings, Tensor gradient, long count)
    {
        var parameter = state.Parameter;
        var tensors = state.Ensure(_rule, settings, count);
        var key = new StepBatch.Key(
            settings,
            state.Steps + 1,
            parameter.dtype,
            tensors.IsQuantized,
            (parameter.device_type, parameter.device_index)
        );
        if (!_batches.TryGetValue(key, out var batch))
        {
            _batches.Add(key, batch = new(_rule, key));
        }

        batch.Add(state, count, gradient);
    }

    /// <exception cref="NotSupportedException">The parameter or its gradient is of a kind that no kernel
    /// steps.</exception>
    /// <exception cref="InvalidOperationException">The gradient is not of the parameter's shape and dtype.</exception>
    private void Check(ParameterState state, Tensor gradient, long count)
    {
        var (parameter, name) = (state.Parameter, state.Name);
        var type = parameter.dtype;
        if (type is not (ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
        {
            throw new NotSupportedException(
                $"parameter {name} of {_rule.Optimizer} is {type}; allowed are Float32, Float16 and BFloat16. For other dtypes take TorchSharp's optimizers"
            );
        }

        if (parameter.device_type is not (DeviceType.CPU or DeviceType.CUDA))
        {
            throw new NotSupportedException(
                $"parameter {name} of {_rule.Optimizer} is on {parameter.device}; parameters on the CPU and on CUDA are stepped: move the model by .cpu() or .cuda()"
            );
        }

        if (gradient.is_sparse)
        {
            throw new NotSupportedException(
                $"parameter {name} of {_rule.Optimizer} has a sparse gradient; only dense ones are stepped: make the embedding with sparse: false"
            );
        }

        if (gradient.dtype != type || gradient.numel() != count)
        {
            throw new InvalidOperationException(
                $"parameter {name} of {_rule.Optimizer} is {type} [{string.Join(", ", parameter.shape)}], its gradient {gradient.dtype} "
                    + $"[{string.Join(", ", gradient.shape)}]; both must be alike: clear gradients when a model is cast"
            );
        }
    }
}
