using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>The weight of a linear product.</summary>
/// <param name="Parts">What is trained, in floating point: the whole weight [out, in], or its rows in several tensors;
/// none for codes without a master.</param>
/// <param name="Primary">The codes, in modules made inside of <see cref="Float8.ModelInit" />; else null.</param>
internal sealed record ProductWeight(IReadOnlyList<Tensor> Parts, PrimaryWeight? Primary = null)
{
    /// <summary>A weight of one tensor.</summary>
    public ProductWeight(Tensor weight)
        : this([weight]) { }

    /// <summary>The number of outputs.</summary>
    public long OutFeatures => Primary?.OutFeatures ?? Parts.Sum(part => part.shape[0]);

    /// <summary>The number of inputs.</summary>
    public long InFeatures => Primary?.InFeatures ?? Parts[0].shape[1];

    /// <summary>Whether a part of it is trained.</summary>
    public bool RequiresGrad => Parts.Any(part => part.requires_grad);

    /// <summary>The weight in floating point, in the autograd graph of its parts.</summary>
    /// <returns>[out, in]; what is new is in the caller's dispose scope.</returns>
    public Tensor Whole() =>
        Parts switch
        {
            [] => Primary!.Dequantize(ScalarType.Float32),
            [var only] => only,
            _ => cat([.. Parts], 0),
        };

    /// <summary>What libtorch multiplies an input with where no 8 bits are asked for: codes have no dtype of their
    /// own, and take that of the input.</summary>
    /// <param name="dtype">That of the input.</param>
    /// <returns>[out, in]; what is new is in the caller's dispose scope.</returns>
    public Tensor For(ScalarType dtype) => Primary is null ? Whole() : Whole().to(dtype);
}
