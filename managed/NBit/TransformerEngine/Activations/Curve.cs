using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>A function of one number with its derivative, elementwise on float32.</summary>
/// <param name="Value">The function.</param>
/// <param name="Derivative">Its derivative.</param>
internal sealed record Curve(Func<Tensor, Tensor> Value, Func<Tensor, Tensor> Derivative)
{
    public static Curve Identity { get; } = new(x => x, x => ones_like(x));

    public static Curve ReLU { get; } = new(x => x.relu(), x => x.gt(0).to(x.dtype));

    /// <summary>relu(x)^2.</summary>
    public static Curve SquaredReLU { get; } = new(x => x.relu().square(), x => x.relu() * 2);

    public static Curve Sigmoid { get; } =
        new(
            x => x.sigmoid(),
            x =>
            {
                var s = x.sigmoid();
                return s * (1 - s);
            }
        );

    /// <summary>The tanh form of gelu, with Transformer Engine's constants: sqrt(2 / pi), times 0.044715, times
    /// 3.</summary>
    public static Curve Gelu { get; } =
        new(
            x => x * (0.5 + (0.5 * GeluTanh(x))),
            x =>
            {
                var t = GeluTanh(x);
                return (0.5 * x * (1 - t.square()) * (0.79788456 + (0.1070322243 * x.square()))) + (0.5 * (1 + t));
            }
        );

    /// <summary>x * sigmoid(alpha * x): silu for 1, the quick form of gelu for 1.702.</summary>
    public static Curve Swish(double alpha) =>
        new(
            x => x * (alpha * x).sigmoid(),
            x =>
            {
                var s = (alpha * x).sigmoid();
                return s + (alpha * x * s * (1 - s));
            }
        );

    /// <summary>The function of what is clamped first.</summary>
    /// <param name="least">The least number that goes in.</param>
    /// <param name="largest">The largest one.</param>
    public Curve OfClamped(double least, double largest) =>
        new(
            x => Value(x.clamp(least, largest)),
            x => Derivative(x.clamp(least, largest)) * x.ge(least).logical_and(x.le(largest)).to(x.dtype)
        );

    /// <summary>The function plus a number.</summary>
    public Curve Plus(double offset) => this with { Value = x => Value(x) + offset };

    private static Tensor GeluTanh(Tensor x) => (x * (0.79788456 + (0.03567741 * x.square()))).tanh();
}
