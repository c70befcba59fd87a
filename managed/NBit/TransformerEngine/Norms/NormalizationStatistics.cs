using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>What the backward pass of a norm needs besides its input.</summary>
/// <param name="Mean">float32 [rows, 1]; null for RMSNorm.</param>
/// <param name="InverseDeviation">float32 [rows, 1]: 1 / sqrt(variance + eps).</param>
/// <remarks>It owns its tensors, which are in no dispose scope.</remarks>
internal sealed record NormalizationStatistics(Tensor? Mean, Tensor InverseDeviation) : IDisposable
{
    public void Dispose()
    {
        Mean?.Dispose();
        InverseDeviation.Dispose();
    }
}
