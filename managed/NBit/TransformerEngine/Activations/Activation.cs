using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>What stands between the two linear layers of <see cref="Modules.LayerNormMLP" />, in float32.</summary>
/// <remarks>Gated ones, whose names end in glu, take twice the features: curve(first half) * second half
/// (arXiv:2002.05202).</remarks>
public sealed class Activation
{
    private readonly Curve _curve;
    private readonly Curve? _gate;

    private Activation(string name, Curve curve, Curve? gate = null) => (Name, _curve, _gate) = (name, curve, gate);

    /// <summary>x * Phi(x) in its tanh form (arXiv:1606.08415).</summary>
    public static Activation Gelu { get; } = new("gelu", Curve.Gelu);

    /// <summary>Gated <see cref="Gelu" />.</summary>
    public static Activation GeGLU { get; } = new("geglu", Curve.Gelu, Curve.Identity);

    /// <summary>Gated sigmoid.</summary>
    public static Activation GLU { get; } = new("glu", Curve.Sigmoid, Curve.Identity);

    /// <summary>x * sigmoid(1.702 * x).</summary>
    public static Activation QGelu { get; } = new("qgelu", Curve.Swish(1.702));

    /// <summary>Gated <see cref="QGelu" />.</summary>
    public static Activation QGeGLU { get; } = new("qgeglu", Curve.Swish(1.702), Curve.Identity);

    /// <summary>max(x, 0).</summary>
    public static Activation ReLU { get; } = new("relu", Curve.ReLU);

    /// <summary>Gated <see cref="ReLU" />.</summary>
    public static Activation ReGLU { get; } = new("reglu", Curve.ReLU, Curve.Identity);

    /// <summary>max(x, 0)^2.</summary>
    public static Activation SReLU { get; } = new("srelu", Curve.SquaredReLU);

    /// <summary>Gated <see cref="SReLU" />.</summary>
    public static Activation SReGLU { get; } = new("sreglu", Curve.SquaredReLU, Curve.Identity);

    /// <summary>x * sigmoid(x).</summary>
    public static Activation SiLU { get; } = new("silu", Curve.Swish(1));

    /// <summary>Gated <see cref="SiLU" />.</summary>
    public static Activation SwiGLU { get; } = new("swiglu", Curve.Swish(1), Curve.Identity);

    private static Activation[] All { get; } =
    [Gelu, GeGLU, GLU, QGelu, QGeGLU, ReLU, ReGLU, SReLU, SReGLU, SiLU, SwiGLU, ClampedSwiGLU()];

    /// <summary>Transformer Engine's name.</summary>
    public string Name { get; }

    /// <summary>Whether it takes twice the features that it gives.</summary>
    public bool IsGated => _gate is not null;

    /// <summary>a * sigmoid(alpha * a) * (b + offset), of a = min(first half, limit) and b = the second half between
    /// -limit and limit.</summary>
    /// <param name="limit">The limit, above 0.</param>
    /// <param name="alpha">The steepness.</param>
    /// <param name="offset">Added to the second half.</param>
    /// <returns>The activation.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not above 0.</exception>
    public static Activation ClampedSwiGLU(double limit = 7, double alpha = 1.702, double offset = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        return new(
            "clamped_swiglu",
            Curve.Swish(alpha).OfClamped(double.NegativeInfinity, limit),
            Curve.Identity.OfClamped(-limit, limit).Plus(offset)
        );
    }

    /// <summary>The activation of a name.</summary>
    /// <param name="name">One of Transformer Engine's: gelu, geglu, glu, qgelu, qgeglu, relu, reglu, srelu, sreglu,
    /// silu, swiglu or clamped_swiglu.</param>
    /// <returns>The activation.</returns>
    /// <exception cref="NotSupportedException">It is another one.</exception>
    public static Activation Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Array.Find(All, activation => activation.Name == name)
            ?? throw new NotSupportedException(
                $"Activation type {name} is not supported! Use one of "
                    + string.Join(", ", All.Select(activation => activation.Name))
            );
    }

    /// <inheritdoc />
    public override string ToString() => Name;

    /// <summary>The activation of float32 numbers.</summary>
    /// <param name="x">[..., features], or twice the features.</param>
    /// <returns>[..., features].</returns>
    internal Tensor Value(Tensor x)
    {
        if (_gate is null)
        {
            return _curve.Value(x);
        }

        var halves = x.chunk(2, -1);
        return _curve.Value(halves[0]) * _gate.Value(halves[1]);
    }

    /// <summary>The gradient of float32 numbers.</summary>
    /// <param name="gradient">That of the value, [..., features].</param>
    /// <param name="x">What the value was computed from.</param>
    /// <returns>Of the shape of x.</returns>
    internal Tensor Gradient(Tensor gradient, Tensor x)
    {
        if (_gate is null)
        {
            return gradient * _curve.Derivative(x);
        }

        var halves = x.chunk(2, -1);
        return cat(
            [
                gradient * _curve.Derivative(halves[0]) * _gate.Value(halves[1]),
                gradient * _curve.Value(halves[0]) * _gate.Derivative(halves[1]),
            ],
            -1
        );
    }
}
