using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>Computes the scales of <see cref="DelayedScaling" />.</summary>
/// <param name="amax">float32 [tensors]: what <see cref="AmaxComputeAlgorithm" /> gave.</param>
/// <param name="scale">float32 [tensors]: the scales so far.</param>
/// <param name="maximum">The largest number of the format: 448 for E4M3, 57344 for E5M2.</param>
/// <param name="recipe">The recipe.</param>
/// <returns>float32 [tensors]: the new scales. It is disposed for the caller.</returns>
public delegate Tensor ScalingFunction(Tensor amax, Tensor scale, float maximum, DelayedScaling recipe);
