using NBit.Training.Data;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Training;

/// <summary>Random samples, in memory.</summary>
/// <param name="steps">The number of batches.</param>
internal sealed class StepData(int steps) : IDisposable
{
    public const int BatchSize = 64;

    private readonly Tensor _inputs = randn(steps * BatchSize, Mlp.Width);
    private readonly Tensor _labels = randint(Mlp.Classes, steps * BatchSize, dtype: ScalarType.Int64);

    public int Steps => steps;

    /// <summary>The batches in an order that is always the same.</summary>
    public ShuffledBatches<(Tensor Inputs, Tensor Labels)> Batches() => new(steps * BatchSize, BatchSize, Pick);

    public void Dispose()
    {
        _inputs.Dispose();
        _labels.Dispose();
    }

    private (Tensor Inputs, Tensor Labels) Pick(long[] indices)
    {
        using var chosen = tensor(indices);
        return (_inputs.index_select(0, chosen), _labels.index_select(0, chosen));
    }
}
