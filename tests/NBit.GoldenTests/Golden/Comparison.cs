using System.Text.Json;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Golden;

/// <summary>How two tensors of the same dtype and shape are compared, in the terms of nbit-rules.json.</summary>
public sealed record Comparison(ComparisonKind Kind)
{
    public static Comparison Exact { get; } = new(ComparisonKind.Exact);

    public static Comparison Value { get; } = new(ComparisonKind.Value);

    /// <summary>Times the magnitude of the expected element.</summary>
    public double RelativeTolerance { get; init; }

    public double AbsoluteTolerance { get; init; }

    /// <summary>Times the tensor's largest expected magnitude.</summary>
    public double ToleranceOfMaximum { get; init; }

    /// <summary>Units in the last place, of the tensor's dtype, of the largest expected magnitude in a row.</summary>
    public double UlpsOfRowMaximum { get; init; }

    /// <summary>Units in the last place, of bfloat16, of each expected element.</summary>
    public double BFloat16Ulps { get; init; }

    /// <summary>The largest norm of the differences, times the expected norm; null for any.</summary>
    public double? RelativeNorm { get; init; }

    /// <summary>The share of elements that may miss the tolerance.</summary>
    public double OutsideFraction { get; init; }

    /// <summary>The largest root mean square of the differences; null for any.</summary>
    public double? RootMeanSquare { get; init; }

    /// <summary>Whether the two norms are compared in place of the elements.</summary>
    public bool OfNorm { get; init; }

    /// <summary>The share of codes that may differ.</summary>
    public double MaxFraction { get; init; }

    /// <summary>By how much a code may differ.</summary>
    public double MaxStep { get; init; }

    public static Comparison Close(double relative = 0, double absolute = 0) =>
        new(ComparisonKind.Close) { RelativeTolerance = relative, AbsoluteTolerance = absolute };

    public static Comparison Codes(double maxFraction, double maxStep) =>
        new(ComparisonKind.Codes) { MaxFraction = maxFraction, MaxStep = maxStep };

    /// <summary>The comparison that a rule asks for.</summary>
    /// <exception cref="ArgumentException">The rule compares no tensors, or is of an unknown kind.</exception>
    public static Comparison Of(JsonElement rule) =>
        OfKind(rule.Text("rule")) with
        {
            RelativeTolerance = rule.Number("rtol") ?? 0,
            AbsoluteTolerance = rule.Number("atol") ?? 0,
            ToleranceOfMaximum = rule.Number("atol_of_max") ?? 0,
            OutsideFraction = rule.Number("outside_fraction") ?? 0,
            RootMeanSquare = rule.Number("rms"),
            OfNorm = rule.Text("of") switch
            {
                null => false,
                "norm" => true,
                var other => throw new ArgumentException($"nbit-rules.json compares 'of {other}'; known is 'of norm'"),
            },
            MaxFraction = rule.Number("max_fraction") ?? 0,
            MaxStep = rule.Number("max_step") ?? 0,
        };

    /// <summary>A comparison of a kind, without any tolerance.</summary>
    public static Comparison OfKind(string? kind) =>
        kind switch
        {
            "exact" => Exact,
            "value" => Value,
            "close" => Close(),
            "codes" => Codes(0, 0),
            _ => throw new ArgumentException($"nbit-rules.json has a rule '{kind}' that compares no tensors"),
        };

    /// <summary>
    /// In what the tensors differ by more than is allowed; null where they do not. Elements with 0 in the mask are not
    /// compared.
    /// </summary>
    public string? Difference(Tensor actual, Tensor expected, Tensor? mask = null)
    {
        if (actual.dtype != expected.dtype || !actual.shape.AsSpan().SequenceEqual(expected.shape))
        {
            return $"is {Describe(actual)}; expected is {Describe(expected)}";
        }

        if (Kind == ComparisonKind.Bytes)
        {
            return actual.contiguous().bytes.SequenceEqual(expected.contiguous().bytes) ? null : "other bytes";
        }

        var (a, b) = (Numbers(actual), Numbers(expected));
        var tolerances = Kind == ComparisonKind.Close ? Tolerances(b, expected) : new double[b.Length];
        if (mask is not null)
        {
            var keep = Numbers(mask).Select(number => number != 0).ToArray();
            (a, b, tolerances) = (Kept(a, keep), Kept(b, keep), Kept(tolerances, keep));
        }

        return Kind switch
        {
            ComparisonKind.Exact => Outside(a, b, SameBits),
            ComparisonKind.Value => Outside(a, b, SameValue),
            ComparisonKind.Codes => CodesDifference(a, b),
            _ when OfNorm => NormDifference(a, b),
            _ => CloseDifference(a, b, tolerances),
        };
    }

    private static bool SameBits(double a, double b) =>
        (double.IsNaN(a) && double.IsNaN(b)) || BitConverter.DoubleToInt64Bits(a) == BitConverter.DoubleToInt64Bits(b);

    private static bool SameValue(double a, double b) => a.Equals(b) || a == b;

    private static string? Outside(double[] a, double[] b, Func<double, double, bool> same)
    {
        var outside = Enumerable.Range(0, a.Length).Where(i => !same(a[i], b[i])).ToList();
        return outside.Count == 0 ? null : Report(a, b, outside);
    }

    private string? CodesDifference(double[] a, double[] b)
    {
        var outside = Enumerable.Range(0, a.Length).Where(i => a[i] != b[i]).ToList();
        var step = outside.Select(i => Math.Abs(a[i] - b[i])).DefaultIfEmpty(0).Max();
        return outside.Count > MaxFraction * a.Length || step > MaxStep
            ? $"{Report(a, b, outside)}; steps up to {step}"
            : null;
    }

    private string? NormDifference(double[] a, double[] b)
    {
        var (first, second) = (Norm(a), Norm(b));
        return Math.Abs(first - second) <= AbsoluteTolerance + (RelativeTolerance * second)
            ? null
            : $"norm {first}; expected is {second}";
    }

    private string? CloseDifference(double[] a, double[] b, double[] tolerances)
    {
        // Not <=, so that a NaN on one side is outside.
        var outside = Enumerable
            .Range(0, a.Length)
            .Where(i => !SameValue(a[i], b[i]) && !(Math.Abs(a[i] - b[i]) <= tolerances[i]))
            .ToList();
        if (outside.Count > OutsideFraction * a.Length)
        {
            return Report(a, b, outside);
        }

        var distance = Norm([.. a.Zip(b, (x, y) => SameValue(x, y) ? 0 : x - y)]);
        if (RelativeNorm * Norm(b) is { } allowed && !(distance <= allowed))
        {
            return $"norm of the differences {distance}; allowed is {allowed}";
        }

        var rms = distance / Math.Sqrt(Math.Max(a.Length, 1));
        return RootMeanSquare is not { } limit || rms <= limit
            ? null
            : $"root mean square of the differences {rms}; allowed is {limit}";
    }

    private double[] Tolerances(double[] expected, Tensor tensor)
    {
        var largest = Largest(expected);
        var columns = tensor.dim() == 0 ? 1 : (int)tensor.shape[^1];
        var ulps =
            UlpsOfRowMaximum == 0
                ? null
                : expected.Chunk(columns).Select(row => UlpsOfRowMaximum * Ulp(Largest(row), tensor.dtype)).ToArray();
        return
        [
            .. expected.Select(
                (b, i) =>
                    AbsoluteTolerance
                    + (RelativeTolerance * Math.Abs(b))
                    + (ToleranceOfMaximum * largest)
                    + (ulps?[i / columns] ?? 0)
                    + (BFloat16Ulps == 0 ? 0 : BFloat16Ulps * Ulp(Math.Abs(b), ScalarType.BFloat16))
            ),
        ];
    }

    private static double Ulp(double magnitude, ScalarType dtype)
    {
        var fractionBits = dtype switch
        {
            ScalarType.Float16 => 10,
            ScalarType.BFloat16 => 7,
            ScalarType.Float32 => 23,
            _ => throw new ArgumentException($"{dtype} has no units in the last place here"),
        };
        return magnitude == 0 || !double.IsFinite(magnitude) ? 0 : Math.ScaleB(1, Math.ILogB(magnitude) - fractionBits);
    }

    private static double Largest(double[] numbers) =>
        numbers.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max();

    private static double Norm(double[] numbers) => Math.Sqrt(numbers.Sum(number => number * number));

    private static double[] Kept(double[] numbers, bool[] keep) => [.. numbers.Where((_, i) => keep[i])];

    private static double[] Numbers(Tensor tensor)
    {
        using var numbers = tensor.detach().to(ScalarType.Float64).contiguous();
        return numbers.data<double>().ToArray();
    }

    private static string Describe(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";

    private static string Report(double[] a, double[] b, List<int> outside)
    {
        var worst = outside.MaxBy(i => double.IsNaN(a[i] - b[i]) ? double.MaxValue : Math.Abs(a[i] - b[i]));
        return FormattableString.Invariant(
            $"{outside.Count} of {a.Length} elements differ, most of all number {worst}: {a[worst]:r}, not {b[worst]:r}"
        );
    }
}
