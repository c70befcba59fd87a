using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>Comparisons of tensors.</summary>
internal static class TensorAssert
{
    /// <summary>The same dtype, shape and bits.</summary>
    public static void Equal(Tensor actual, Tensor expected)
    {
        Assert.That((actual.dtype, actual.shape), Is.EqualTo((expected.dtype, expected.shape)));
        using var left = actual.detach().contiguous();
        using var right = expected.detach().contiguous();
        Assert.That(left.bytes.SequenceEqual(right.bytes), Is.True, "the same bits");
    }

    /// <summary>The same shape, and a difference that is small beside the largest expected number.</summary>
    public static void Close(Tensor actual, Tensor expected, double relative = 1e-5)
    {
        Assert.That(actual.shape, Is.EqualTo(expected.shape));
        if (expected.numel() == 0)
        {
            return;
        }

        using var scope = NewDisposeScope();
        var wanted = expected.detach().to(ScalarType.Float64);
        var error = (actual.detach().to(ScalarType.Float64) - wanted).abs().max().item<double>();
        Assert.That(error, Is.LessThanOrEqualTo(relative * wanted.abs().max().item<double>()));
    }
}
