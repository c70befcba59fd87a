using NBit.Precision;

namespace NBit.Tests.Precision;

public sealed class PrecisionInputTests
{
    [Test]
    public void Nothing_given_is_float32()
    {
        foreach (var input in (PrecisionInput[])[default, (string?)null, PrecisionInput.FromString(null)])
        {
            Assert.That(input.Text, Is.Null);
            Assert.That(input.Mode, Is.EqualTo("32-true"));
            Assert.That(input.ToString(), Is.EqualTo("None"));
            Assert.That(input, Is.EqualTo(default(PrecisionInput)));
        }
    }

    [TestCase("32-true", "32-true")]
    [TestCase("16-mixed", "16-mixed")]
    [TestCase("bf16", "bf16-mixed")]
    [TestCase("64", "64-true")]
    public void A_string_keeps_its_text_and_means_a_mode(string text, string mode)
    {
        PrecisionInput input = text;
        Assert.That(input.Text, Is.EqualTo(text));
        Assert.That(input.Mode, Is.EqualTo(mode));
        Assert.That(input.ToString(), Is.EqualTo(text));
        Assert.That(input, Is.EqualTo(PrecisionInput.FromString(text)));
        Assert.That(input, Is.Not.EqualTo(default(PrecisionInput)));
    }

    [TestCase(64, "64-true")]
    [TestCase(32, "32-true")]
    [TestCase(16, "16-mixed")]
    public void An_integer_means_the_same_as_its_digits(int bits, string mode)
    {
        PrecisionInput input = bits;
        Assert.That(input.Mode, Is.EqualTo(mode));
        Assert.That(input, Is.EqualTo(PrecisionInput.FromString($"{bits}")));
        Assert.That(input, Is.EqualTo(PrecisionInput.FromInt32(bits)));
    }

    [TestCase("")]
    [TestCase("32-TRUE")]
    [TestCase(" 32-true")]
    [TestCase("8")]
    public void Another_string_is_refused_with_those_that_are_allowed(string text) =>
        Assert.That(
            () => PrecisionInput.FromString(text),
            Throws.ArgumentException.With.Message.EqualTo(
                $"Precision '{text}' is invalid. Allowed precision values: ('transformer-engine', "
                    + "'transformer-engine-float16', '16-true', '16-mixed', 'bf16-true', 'bf16-mixed', '32-true', '64-true', "
                    + "64, 32, 16, '64', '32', '16', 'bf16')"
            )
        );

    [TestCase("nf4", "nf4")]
    [TestCase("nf4-dq", "nf4-dq")]
    [TestCase("fp4", "fp4")]
    [TestCase("fp4-double", "fp4")]
    [TestCase("int8", "int8")]
    [TestCase("int8-training", "int8-training")]
    [TestCase("int8-something", "int8")]
    [TestCase("int4", "nf4")]
    [TestCase("bitsandbytes", "nf4")]
    public void A_quantized_mode_is_refused_with_the_plugin_to_write(string text, string mode) =>
        Assert.That(
            () => PrecisionInput.FromString(text),
            Throws.ArgumentException.With.Message.EndsWith(
                $". Quantized modes are plugins: pass plugin: new BitsandbytesPrecision(\"{mode}\") instead of a "
                    + "precision."
            )
        );

    [Test]
    public void Another_integer_is_refused([Values(0, 8, -16, 128)] int bits) =>
        Assert.That(
            () => PrecisionInput.FromInt32(bits),
            Throws.ArgumentException.With.Message.StartsWith($"Precision {bits} is invalid. Allowed")
        );
}
