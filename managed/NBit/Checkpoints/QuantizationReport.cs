namespace NBit.Checkpoints;

/// <summary>What became of a layer's weight.</summary>
/// <param name="Layer">The layer's name.</param>
/// <param name="Shape">The shape of the weight, [out, in].</param>
/// <param name="BytesBefore">The bytes that it took.</param>
/// <param name="BytesAfter">The bytes that it takes, with scales and maps and all.</param>
/// <param name="RelativeError">The norm of the difference, relative to the norm of the weight.</param>
public sealed record QuantizationReport(
    string Layer,
    IReadOnlyList<long> Shape,
    long BytesBefore,
    long BytesAfter,
    double RelativeError
);
