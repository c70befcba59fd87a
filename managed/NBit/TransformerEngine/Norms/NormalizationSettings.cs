namespace NBit.TransformerEngine;

/// <summary>The settings of a norm.</summary>
/// <param name="Kind">What it subtracts and divides by.</param>
/// <param name="Eps">Added to the variance or mean square.</param>
/// <param name="ZeroCenteredGamma">Whether 1 + weight scales.</param>
internal sealed record NormalizationSettings(NormalizationKind Kind, double Eps, bool ZeroCenteredGamma);
