using NBit.Amp;
using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>A function that runs again in the backward pass, in place of keeping what that needs.</summary>
internal sealed class CheckpointedFunction : IDisposable
{
    private readonly Func<Tensor, Tensor> _function;
    private readonly Tensor _input;
    private readonly bool _inputRequiresGrad;
    private readonly Tensor _random = random.get_rng_state().DetachFromDisposeScope();
    private readonly Float8Region? _region = Float8Region.Current;
    private readonly (ScalarType DataType, bool Enabled, bool CacheEnabled) _autocast;
    private readonly Recomputation _recomputation = new();

    public CheckpointedFunction(Func<Tensor, Tensor> function, Tensor input)
    {
        _function = function;
        _input = input.detach().DetachFromDisposeScope();
        _inputRequiresGrad = input.requires_grad;
        _autocast = Autocast.State(input.device_type);
    }

    /// <summary>Runs it for the first time.</summary>
    /// <returns>The output, whose backward pass runs the function again.</returns>
    public Tensor Run(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor output;
        using (no_grad())
        {
            output = _recomputation.Run(isSecondRun: false, () => _function(_input)).clone();
        }

        // An input without a gradient still has to bring the backward pass to the parameters of the function.
        var start = _inputRequiresGrad ? input : zeros([], output.dtype, requires_grad: true);
        return ModuleGradient.Attach(output, [start], Backward, this).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _input.Dispose();
        _random.Dispose();
        _recomputation.Dispose();
    }

    private Tensor?[] Backward(Tensor gradient)
    {
        using var grad = enable_grad();
        using var current = random.get_rng_state();
        var x = _input.detach().requires_grad_(_inputRequiresGrad);
        random.set_rng_state(_random);
        try
        {
            Again(x).backward([gradient]);
        }
        finally
        {
            random.set_rng_state(current);
        }

        if (!_inputRequiresGrad)
        {
            return [zeros([], gradient.dtype)];
        }

        var result = x.grad ?? zeros_like(x);
        return [result.detach()];
    }

    private Tensor Again(Tensor x)
    {
        using var autocast = new Autocast(
            _input.device_type,
            _autocast.DataType,
            _autocast.Enabled,
            cacheEnabled: _autocast.CacheEnabled
        );
        using var region = _region is null
            ? null
            : new Float8Region(_region.Recipe, _region.Enabled, calibrating: false, updates: false);
        return _recomputation.Run(isSecondRun: true, () => _function(x));
    }
}
