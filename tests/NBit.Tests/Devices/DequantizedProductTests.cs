using NBit.Quantization;
using NBit.Tests.Quantization;
using static TorchSharp.torch;

namespace NBit.Tests.Devices;

/// <summary>The ways of libtorch's that replace kernels, against the kernels.</summary>
public sealed class DequantizedProductTests
{
    [Test]
    public void Four_bits([Values] bool hasBias, [Values(ScalarType.Float32, ScalarType.BFloat16)] ScalarType type)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var weight = Weight4bit.Quantize(randn(80, 96), QuantType.NF4, 64, compressStatistics: true, type);
        var x = randn(5, 96);
        var bias = hasBias ? randn(80) : null;
        var gradient = randn(5, 80);
        var tolerance = type == ScalarType.Float32 ? 1e-5 : 0.01; // libtorch rounds the product to bfloat16
        TensorAssert.Close(
            weight.MultiplyDequantized(x, bias, type),
            weight.Forward(x, weight.Storage, bias),
            tolerance
        );
        TensorAssert.Close(
            weight.InputGradientOfDequantized(gradient, type),
            gradient.to(type).to(ScalarType.Float32).matmul(weight.Dequantize(type).to(ScalarType.Float32)),
            tolerance
        );
    }

    [Test]
    public void Eight_bits([Values] bool hasBias, [Values(0, 2.5)] double threshold)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var rows = Int8Products.QuantizeWeight(randn(80, 96));
        var x = randn(5, 96);
        var bias = hasBias ? randn(80) : null;
        TensorAssert.Close(
            Int8Products.ForwardInParts(rows.Codes, rows.RowAbsmax, x, bias, threshold),
            Int8Products.Forward(rows.Codes, rows.RowAbsmax, x, bias, threshold)
        );
    }
}
