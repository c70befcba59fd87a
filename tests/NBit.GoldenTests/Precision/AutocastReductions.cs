using NBit.Testing;
using static NBit.GoldenTests.Precision.AutocastOperators;
using static NBit.Testing.Argument;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Reductions, scans and orders.</summary>
internal static class AutocastReductions
{
    public static Dictionary<string, AutocastCall> Operators { get; } =
        new(StringComparer.Ordinal)
        {
            ["sum"] = Aten("sum", default(Argument)),
            ["sum_dim"] = Aten("sum.dim_IntList", Some(new[] { -1L }), false, null),
            ["sum_dtype_float32"] = Aten("sum", Some(ScalarType.Float32)),
            ["mean"] = Aten("mean", default(Argument)),
            ["prod"] = Aten("prod", default(Argument)),
            ["prod_dim"] = Aten("prod.dim_int", -1, false, null),
            ["var"] = Aten("var", true),
            ["std"] = Aten("std", true),
            ["amax"] = Aten("amax", Array.Empty<long>(), false),
            ["amin"] = Aten("amin", Array.Empty<long>(), false),
            ["logsumexp"] = Aten("logsumexp", new[] { -1L }, false),
            ["cumsum"] = Aten("cumsum", -1, null),
            ["cumprod"] = Aten("cumprod", -1, null),
            ["norm_2"] = Composed(x => linalg.vector_norm(x[0])),
            ["norm_2_dim"] = Composed(x => linalg.vector_norm(x[0], 2.0, [-1])),
            ["linalg_vector_norm"] = Composed(x => linalg.vector_norm(x[0])),
            ["linalg_matrix_norm"] = Aten("linalg_matrix_norm.str_ord", "fro", new[] { -2L, -1L }, false, null),
            ["max_values_indices"] = Aten(2, "max.dim", -1, false),
            ["median"] = Aten("median"),
            ["quantile"] = Aten("quantile.scalar", 0.5, null, false, "linear"),
            ["topk"] = Aten(2, "topk", 2, -1, true, true),
            ["sort"] = Aten(2, "sort", -1, false),
            ["argmax"] = Aten("argmax", null, false),
            ["trace"] = Aten("trace"),
            ["dist"] = Composed(x => x[0].dist(x[1])),
            ["cdist"] = Aten("cdist", 2.0, null),
            ["renorm"] = Composed(x => x[0].renorm(2, 0, 1)),
        };
}
