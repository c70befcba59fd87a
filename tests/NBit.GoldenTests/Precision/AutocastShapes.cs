using NBit.Testing;
using static NBit.GoldenTests.Precision.AutocastOperators;
using static NBit.Testing.Argument;
using static NBit.Testing.Dispatcher;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Joining, indexing, resampling, pooling and padding.</summary>
internal static class AutocastShapes
{
    private static readonly Argument NoStride = Array.Empty<long>();

    public static Dictionary<string, AutocastCall> Operators { get; } =
        new(StringComparer.Ordinal)
        {
            ["cat"] = Composed(x => Call("aten::cat", x, 0)),
            ["stack"] = Composed(x => Call("aten::stack", x, 0)),
            ["hstack"] = Composed(x => Call("aten::hstack", x)),
            ["vstack"] = Composed(x => Call("aten::vstack", x)),
            ["index_add"] = Composed(x => x[0].index_add(0, Order(x[0]), x[1], 1)),
            ["index_copy"] = Composed(x => Call("aten::index_copy", x[0], 0, Order(x[0]), x[1])),
            ["index_put"] = Composed(x => Call("aten::index_put", x[0], List(Some(Order(x[0]))), x[1], false)),
            ["index_select"] = Composed(x => Call("aten::index_select", x[0], 0, Order(x[0]))),
            ["scatter_add"] = Composed(x => Call("aten::scatter_add", x[0], 0, Zeros(x[0]), x[1])),
            ["scatter"] = Composed(x => Call("aten::scatter.src", x[0], 0, Zeros(x[0]), x[1])),
            ["gather"] = Composed(x => Call("aten::gather", x[0], 0, Zeros(x[0]), false)),
            ["masked_fill"] = Composed(x => x[0].masked_fill(x[0] > 0, 0.0)),
            ["interpolate_nearest"] = Aten("upsample_nearest2d.vec", null, Some(new[] { 2.0, 2.0 })),
            ["interpolate_bilinear"] = Aten("upsample_bilinear2d.vec", null, false, Some(new[] { 2.0, 2.0 })),
            ["grid_sample"] = Composed(x => Call("aten::grid_sampler", x[0], Call("aten::tanh", x[1]), 0, 0, false)),
            ["max_pool2d"] = Aten("max_pool2d", new[] { 2L }, NoStride, new[] { 0L }, new[] { 1L }, false),
            ["max_pool3d"] = Aten("max_pool3d", new[] { 2L }, NoStride, new[] { 0L }, new[] { 1L }, false),
            ["avg_pool2d"] = Aten("avg_pool2d", new[] { 2L }, NoStride, new[] { 0L }, false, true, null),
            ["avg_pool3d"] = Aten("avg_pool3d", new[] { 2L }, NoStride, new[] { 0L }, false, true, null),
            ["adaptive_avg_pool2d"] = Aten("adaptive_avg_pool2d", new[] { 1L, 1L }),
            ["pad_reflect1d"] = Aten("pad", new[] { 1L, 1L }, "reflect", null),
            ["pad_reflect2d"] = Aten("pad", new[] { 1L, 1L, 1L, 1L }, "reflect", null),
            ["pad_constant"] = Aten("pad", new[] { 1L, 1L }, "constant", null),
        };

    private static Tensor Zeros(Tensor x) => zeros(x.shape, ScalarType.Int64);
}
