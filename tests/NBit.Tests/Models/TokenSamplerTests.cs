using NBit.Models;

namespace NBit.Tests.Models;

public sealed class TokenSamplerTests
{
    // Probabilities 0.4, 0.3, 0.2 and 0.1 at temperature 1, not in order.
    private static readonly float[] Logits = [MathF.Log(0.2f), MathF.Log(0.4f), MathF.Log(0.1f), MathF.Log(0.3f)];

    [Test]
    public void Temperature_0_takes_the_likeliest_and_the_first_of_equals()
    {
        var sampler = new TokenSampler(0, 2, 0.5, seed: null);

        Assert.That(sampler.Next(Logits), Is.EqualTo(1));
        Assert.That(sampler.Next([1, 3, 3, float.NegativeInfinity]), Is.EqualTo(1));
    }

    [TestCase(1, 0, 1, new[] { 0.2, 0.4, 0.1, 0.3 })]
    [TestCase(1, 2, 1, new[] { 0, 4 / 7.0, 0, 3 / 7.0 }, TestName = "top-k keeps the two likeliest")]
    [TestCase(1, 1, 1, new[] { 0, 1.0, 0, 0 }, TestName = "top-k of one")]
    [TestCase(1, 9, 1, new[] { 0.2, 0.4, 0.1, 0.3 }, TestName = "top-k beyond the vocabulary")]
    [TestCase(1, 0, 0.6, new[] { 0, 4 / 7.0, 0, 3 / 7.0 }, TestName = "top-p keeps those that reach it")]
    [TestCase(1, 0, 0.95, new[] { 0.2, 0.4, 0.1, 0.3 }, TestName = "top-p that needs all")]
    [TestCase(1, 0, 0.01, new[] { 0, 1.0, 0, 0 }, TestName = "top-p keeps at least one")]
    [TestCase(1, 3, 0.7, new[] { 0, 4 / 7.0, 0, 3 / 7.0 }, TestName = "top-p of what top-k left (0.7 of 0.9)")]
    [TestCase(0.5, 0, 1, new[] { 4 / 30.0, 16 / 30.0, 1 / 30.0, 9 / 30.0 }, TestName = "temperature 0.5 squares")]
    public void Tokens_come_as_often_as_their_probability(
        double temperature,
        int topK,
        double topP,
        double[] probabilities
    )
    {
        const int draws = 20_000;
        var sampler = new TokenSampler(temperature, topK, topP, seed: 1);
        var counts = new int[4];
        for (var i = 0; i < draws; i++)
        {
            counts[sampler.Next(Logits)]++;
        }

        for (var token = 0; token < 4; token++)
        {
            // Five standard deviations of a binomial; none at all where the probability is 0.
            var deviation = 5 * Math.Sqrt(draws * probabilities[token] * (1 - probabilities[token]));
            Assert.That(counts[token], Is.EqualTo(draws * probabilities[token]).Within(deviation), $"token {token}");
        }
    }

    [Test]
    public void Logits_of_minus_infinity_never_come_and_huge_ones_do_not_overflow()
    {
        var sampler = new TokenSampler(1, 0, 1, seed: 1);

        for (var i = 0; i < 100; i++)
        {
            Assert.That(sampler.Next([float.NegativeInfinity, 3e38f, float.NegativeInfinity]), Is.EqualTo(1));
        }
    }

    [Test]
    public void NaN_is_an_error([Values(0, 1)] double temperature)
    {
        var sampler = new TokenSampler(temperature, 0, 1, seed: 1);

        var error = Assert.Throws<ArithmeticException>(() => sampler.Next([1, float.NaN]));
        Assert.That(error!.Message, Does.Contain("NaN"));
    }

    [TestCase(-1, 0, 1, "temperature")]
    [TestCase(double.NaN, 0, 1, "temperature")]
    [TestCase(double.PositiveInfinity, 0, 1, "temperature")]
    [TestCase(1, -1, 1, "topK")]
    [TestCase(1, 0, 0, "topP")]
    [TestCase(1, 0, 1.5, "topP")]
    [TestCase(1, 0, double.NaN, "topP")]
    public void A_number_out_of_range_is_named(double temperature, int topK, double topP, string argument)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() =>
            _ = new TokenSampler(temperature, topK, topP, null)
        );
        Assert.That(error!.ParamName, Is.EqualTo(argument));
        Assert.That(error.Message, Does.Contain("allowed"));
    }
}
