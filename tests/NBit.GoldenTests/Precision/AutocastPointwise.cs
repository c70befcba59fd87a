using static NBit.GoldenTests.Precision.AutocastOperators;
using static NBit.Testing.Dispatcher;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Operators on each element.</summary>
internal static class AutocastPointwise
{
    private static readonly string[] Unary =
    [
        "exp",
        "log",
        "log2",
        "log10",
        "log1p",
        "expm1",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "sin",
        "cos",
        "tan",
        "acos",
        "asin",
        "sinh",
        "cosh",
        "erf",
        "erfinv",
        "abs",
        "neg",
        "floor",
        "round",
        "sign",
    ];

    public static Dictionary<string, AutocastCall> Operators { get; } =
        new(Unary.Select(name => KeyValuePair.Create(name, Aten(name))), StringComparer.Ordinal)
        {
            ["pow_scalar"] = Composed(x => x[0].pow(2.5)),
            ["pow_tensor"] = Aten("pow.Tensor_Tensor"),
            ["pow_base_scalar"] = Composed(x => Call("aten::pow.Tensor_Tensor", tensor(2f), x[0])), // as aten::pow.Scalar
            ["add"] = Composed(x => x[0].add(x[1])),
            ["mul"] = Aten("mul.Tensor"),
            ["div"] = Aten("div.Tensor"),
            ["sub"] = Composed(x => x[0].sub(x[1])),
            ["maximum"] = Aten("maximum"),
            ["where"] = Composed(x => Call("aten::where.self", x[0] > 0, x[0], x[1])),
            ["add_scalar"] = Composed(x => x[0] + 1.5),
            ["mul_scalar"] = Composed(x => x[0] * 2),
            ["clamp"] = Composed(x => x[0].clamp(-1, 1)),
            ["addcmul"] = Composed(x => x[0].addcmul(x[1], x[2], 1)),
            ["addcdiv"] = Composed(x => x[0].addcdiv(x[1], x[2], 1)),
            ["lerp"] = Scripted(2, "torch.lerp(a, b, 0.3)"),
            ["atan2"] = Aten("atan2"),
            ["cross"] = Aten("linalg_cross", -1),
        };

    /// <summary>The operators whose inputs are recorded as positive, below their domains' limits.</summary>
    public static readonly IReadOnlySet<string> Positive = new HashSet<string>(
        [.. Unary, "pow_scalar", "pow_tensor", "div", "addcdiv"],
        StringComparer.Ordinal
    );
}
