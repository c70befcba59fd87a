using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>Codebooks that are made of a formula.</summary>
public sealed class CodebookTests
{
    [Test]
    public void Signed_linear_numbers_rise_and_hold_zero([Values(4, 6, 8)] int bits)
    {
        var values = Codebook.Linear(isSigned: true, bits).Values;
        Assert.That(values, Is.Ordered);
        Assert.That(values, Does.Contain(0f));
    }

    [Test]
    public void A_linear_codebook_that_does_not_rise_can_be_read_but_not_quantized_with()
    {
        using var scope = NewDisposeScope();
        var book = Codebook.Linear(isSigned: false, totalBits: 4);
        Assert.That(book.Values, Is.Not.Ordered);
        Assert.That(book.ToTensor().shape, Is.EqualTo(new long[] { 256 }));
        Assert.That(
            () => Functional.QuantizeBlockwise(ones(64), book),
            Throws.ArgumentException.With.Message.Contains("rising order")
        );
    }
}
