using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>An operand that a graph keeps for its backward pass: codes, or elements in floating point.</summary>
internal sealed class KeptOperand : IDisposable
{
    private readonly ScaledMatrix? _codes;
    private readonly Tensor? _elements;

    /// <summary>Keeps codes.</summary>
    public KeptOperand(ScaledMatrix codes) => _codes = codes.Keep();

    /// <summary>Keeps elements.</summary>
    /// <param name="elements">[rows, columns]; owned from here on.</param>
    public KeptOperand(Tensor elements) => _elements = elements.DetachFromDisposeScope();

    /// <summary>The codes that it was made of.</summary>
    public ScaledMatrix Codes => _codes!;

    /// <summary>The elements, or what the codes stand for.</summary>
    /// <param name="dtype">float32, float16 or bfloat16.</param>
    /// <returns>[rows, columns]; what is new is in the caller's dispose scope.</returns>
    public Tensor In(ScalarType dtype) => _elements?.to(dtype) ?? ScaledProducts.Dequantize(Codes, dtype);

    public void Dispose()
    {
        _codes?.Unkeep();
        _elements?.Dispose();
    }
}
