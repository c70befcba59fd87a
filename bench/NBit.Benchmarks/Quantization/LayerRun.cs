using static TorchSharp.torch;

namespace NBit.Benchmarks.Quantization;

/// <summary>Layers whose weights together are larger than the caches, used in turn on one input.</summary>
internal sealed class LayerRun : IDisposable
{
    private const double RotatedBytes = 256 << 20;

    // Layers of few rows take a millisecond, as long as threads that sleep may take to come: as in a model that makes
    // one token, several are called in a row.
    private const int RowsOfShortCalls = 32;

    private readonly List<nn.Module<Tensor, Tensor>> _layers;
    private readonly LayerWork _work;
    private readonly int _calls;
    private readonly Tensor _input;
    private readonly Tensor _gradient;
    private int _next;

    /// <param name="layerCase">What is done.</param>
    /// <param name="make">Makes a layer; it is called until there are enough.</param>
    /// <param name="weightBytes">The bytes of a layer's weight.</param>
    public LayerRun(LayerCase layerCase, Func<nn.Module<Tensor, Tensor>> make, double weightBytes)
    {
        _work = layerCase.Work;
        _calls = Math.Max(1, RowsOfShortCalls / layerCase.Rows);
        var count = 1 + (int)(RotatedBytes / weightBytes);
        _layers = [.. Enumerable.Range(0, count).Select(_ => make())];
        _input = Input(layerCase);
        _gradient = randn([layerCase.Rows, LayerCase.OutFeatures], layerCase.Dtype);
        _input.requires_grad = _work != LayerWork.Forward;
    }

    /// <summary>Standard normal numbers, with outliers in some columns.</summary>
    public static Tensor Input(LayerCase layerCase)
    {
        const double outlier = 20;
        using var scope = NewDisposeScope();
        var input = randn(layerCase.Rows, layerCase.InFeatures).clamp(-5, 5);
        for (var i = 0; i < layerCase.OutlierColumns; i++)
        {
            input[0, (long)i * layerCase.InFeatures / layerCase.OutlierColumns] = outlier;
        }

        return input.to(layerCase.Dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Does the work with the next layer.</summary>
    public void Run()
    {
        var layer = _layers[_next++ % _layers.Count];
        if (_work == LayerWork.Forward)
        {
            using var grad = no_grad();
            layer.forward(_input).Dispose();
            return;
        }

        using var scope = NewDisposeScope();
        layer.forward(_input).backward([_gradient]);
    }

    /// <summary>The seconds of the work; of the backward pass alone where the gradient of the input is asked for.</summary>
    public double Seconds()
    {
        if (_work != LayerWork.InputGradient)
        {
            return Measurement.Clock.Seconds(Run, _calls);
        }

        using var scope = NewDisposeScope();
        var output = _layers[_next++ % _layers.Count].forward(_input);
        return Measurement.Clock.Seconds(() => output.backward([_gradient]));
    }

    public void Dispose()
    {
        _layers.ForEach(layer => layer.Dispose());
        _input.Dispose();
        _gradient.Dispose();
    }
}
