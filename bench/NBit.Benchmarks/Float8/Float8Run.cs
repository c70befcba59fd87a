using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Benchmarks.Float8;

/// <summary>A linear layer and its input, used again and again.</summary>
internal sealed class Float8Run : IDisposable
{
    public const int Rows = 512,
        Features = 4096;

    private static readonly DelayedScaling Recipe = new(amaxHistoryLength: 16);

    private readonly nn.Module<Tensor, Tensor> _layer;
    private readonly Func<Tensor, Tensor> _forward;
    private readonly Tensor _input;
    private readonly Tensor _gradient;
    private readonly bool _trains;

    private Float8Run(nn.Module<Tensor, Tensor> layer, Func<Tensor, Tensor> forward, ScalarType dtype, bool trains)
    {
        (_layer, _forward, _trains) = (layer, forward, trains);
        _input = randn([Rows, Features], dtype);
        _gradient = randn([Rows, Features], dtype);
        _input.requires_grad = trains;
    }

    /// <summary>NBit's layer in a region, its weight cast once.</summary>
    public static Float8Run Own(bool trains)
    {
        var layer = new TE.Linear(Features, Features, hasBias: false, dtype: ScalarType.BFloat16);
        return new(layer, Forward, ScalarType.BFloat16, trains);

        Tensor Forward(Tensor input)
        {
            using (NBit.TransformerEngine.Float8.Autocast(Recipe))
            {
                return layer.forward(input, isFirstMicrobatch: false);
            }
        }
    }

    /// <summary>libtorch's layer.</summary>
    public static Float8Run Libtorch(ScalarType dtype, bool trains)
    {
        var layer = nn.Linear(Features, Features, hasBias: false, dtype: dtype);
        return new(layer, layer.forward, dtype, trains);
    }

    /// <summary>A forward pass, and a backward pass where it trains.</summary>
    public void Run()
    {
        if (!_trains)
        {
            using var grad = no_grad();
            _forward(_input).Dispose();
            return;
        }

        using var scope = NewDisposeScope();
        _forward(_input).backward([_gradient]);
        _layer.zero_grad();
        _input.grad = null;
    }

    public void Dispose()
    {
        _layer.Dispose();
        _input.Dispose();
        _gradient.Dispose();
    }
}
