using NBit.Testing;
using static NBit.GoldenTests.Precision.AutocastOperators;
using static NBit.Testing.Argument;
using static NBit.Testing.Dispatcher;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>A call of one overload that autocast knows, with the shapes of its floating inputs.</summary>
internal sealed record AutocastOverload(AutocastCall Call, params long[][] Shapes);

/// <summary>Calls of the overloads whose policies autocast_ops.json lists, by the names of their schemas.</summary>
internal static class AutocastOverloads
{
    private static readonly long[] Matrix = [4, 4],
        Rows = [4, 8],
        Image = [1, 2, 4, 4],
        Volume = [1, 2, 4, 4, 4];

    private static readonly Dictionary<string, AutocastOverload> Known = new(
        [
            .. LowerPrecision(),
            .. Promoted(),
            .. Layers(),
            .. Losses(),
            .. Reductions(),
            .. LinearAlgebra(),
            .. Fourier(),
        ],
        StringComparer.Ordinal
    );

    /// <summary>The call of an overload, or null where this test does not know it.</summary>
    public static AutocastOverload? Find(string name) => Known.GetValueOrDefault(name);

    private static Dictionary<string, AutocastOverload> LowerPrecision() =>
        new(StringComparer.Ordinal)
        {
            ["conv1d"] = Same("conv1d", [2, 4, 16], [6, 4, 3], [6]),
            ["conv1d.padding"] = Same("conv1d_padding_same", [2, 4, 16], [6, 4, 3]),
            ["conv2d"] = Same("conv2d", [2, 4, 8, 8], [6, 4, 3, 3], [6]),
            ["conv2d.padding"] = Same("conv2d_padding_same", [2, 4, 8, 8], [6, 4, 3, 3]),
            ["conv3d"] = Same("conv3d", [1, 2, 5, 5, 5], [3, 2, 3, 3, 3]),
            ["conv3d.padding"] = new(
                Aten("conv3d.padding", null, All(1, 3), "same", All(1, 3), 1),
                [1, 2, 5, 5, 5],
                [3, 2, 3, 3, 3]
            ),
            ["conv_transpose1d"] = Same("conv_transpose1d", [2, 4, 8], [4, 6, 3]),
            ["conv_transpose2d.input"] = Same("conv_transpose2d", [2, 4, 5, 5], [4, 6, 3, 3]),
            ["conv_transpose3d.input"] = Same("conv_transpose3d", [1, 2, 3, 3, 3], [2, 3, 3, 3, 3]),
            ["conv_tbc"] = new(Aten("conv_tbc", 0), [5, 2, 4], [3, 4, 6], [6]),
            ["_convolution.deprecated"] = new(
                Aten(
                    "_convolution.deprecated",
                    null,
                    All(1, 2),
                    All(0, 2),
                    All(1, 2),
                    false,
                    All(0, 2),
                    1,
                    false,
                    false,
                    true
                ),
                [2, 4, 8, 8],
                [6, 4, 3, 3]
            ),
            ["linear"] = Same("linear", [4, 8], [6, 8], [6]),
            ["matmul"] = Same("matmul", [4, 8], [8, 6]),
            ["mm"] = Same("mm", [4, 8], [8, 6]),
            ["bmm"] = Same("bmm", [2, 4, 8], [2, 8, 6]),
            ["addmm"] = Same("addmm", [4, 6], [4, 8], [8, 6]),
            ["_addmm_activation"] = new(Scripted(3, "torch._addmm_activation(a, b, c)"), [6], [4, 8], [8, 6]),
            ["addbmm"] = Same("addbmm", [4, 6], [2, 4, 8], [2, 8, 6]),
            ["baddbmm"] = Same("baddbmm", [2, 4, 6], [2, 4, 8], [2, 8, 6]),
            ["linalg_vecdot"] = Same("linalg_vecdot", [4, 8], [4, 8]),
            ["prelu"] = Same("prelu", [4, 8], [8]),
            ["scaled_dot_product_attention"] = Same(
                "scaled_dot_product_attention",
                [2, 2, 4, 8],
                [2, 2, 4, 8],
                [2, 2, 4, 8]
            ),
            ["_native_multi_head_attention"] = new(
                x =>
                    CallMany(
                        2,
                        "aten::_native_multi_head_attention",
                        [x[0], x[0], x[0], 8, 2, x[1], x[2], x[3], x[4], null, true, true, null]
                    ),
                [2, 4, 8],
                [24, 8],
                [24],
                [8, 8],
                [8]
            ),
            ["mkldnn_rnn_layer"] = new(
                Aten(4, "mkldnn_rnn_layer", false, Array.Empty<long>(), 2, 6, 1, true, false, false, false), // mode 2: LSTM
                [5, 2, 8],
                [24, 8],
                [24, 6],
                [24],
                [24],
                [1, 2, 6],
                [1, 2, 6]
            ),
        };

    private static Dictionary<string, AutocastOverload> Promoted() =>
        new(StringComparer.Ordinal)
        {
            ["cat"] = Same("cat", Rows, Rows),
            ["stack"] = Same("stack", Rows, Rows),
            ["index_copy"] = Same("index_copy", Rows, Rows),
        };

    private static Dictionary<string, AutocastOverload> Layers() =>
        new(StringComparer.Ordinal)
        {
            ["avg_pool3d"] = Same("avg_pool3d", Volume),
            ["max_pool3d"] = Same("max_pool3d", Volume),
            ["adaptive_avg_pool3d"] = new(Aten("adaptive_avg_pool3d", All(2, 3)), Volume),
            ["adaptive_max_pool3d"] = new(Aten(2, "adaptive_max_pool3d", All(2, 3)), Volume),
            ["fractional_max_pool2d"] = new(
                x => CallMany(2, "aten::fractional_max_pool2d", x[0], All(2, 2), All(2, 2), x[1].sigmoid()),
                Image,
                [1, 2, 2]
            ),
            ["fractional_max_pool3d"] = new(
                x => CallMany(2, "aten::fractional_max_pool3d", x[0], All(2, 3), All(2, 3), x[1].sigmoid()),
                Volume,
                [1, 2, 3]
            ),
            ["max_unpool2d"] = new(Composed(x => Call("aten::max_unpool2d", x[0], Places(x[0]), All(8, 2))), Image),
            ["max_unpool3d"] = new(
                Composed(x => Call("aten::max_unpool3d", x[0], Places(x[0]), All(8, 3), All(2, 3), All(0, 3))),
                Volume
            ),
            ["grid_sampler"] = Same("grid_sample", Image, [1, 3, 3, 2]),
            ["grid_sampler_2d"] = new(Aten("grid_sampler_2d", 0, 0, false), Image, [1, 3, 3, 2]),
            ["grid_sampler_3d"] = new(Aten("grid_sampler_3d", 0, 0, false), Volume, [1, 3, 3, 3, 3]),
            ["_grid_sampler_2d_cpu_fallback"] = new(
                Aten("_grid_sampler_2d_cpu_fallback", 0, 0, false),
                Image,
                [1, 3, 3, 2]
            ),
            ["reflection_pad1d"] = new(Aten("reflection_pad1d", All(1, 2)), [1, 2, 4]),
            ["reflection_pad2d"] = new(Aten("reflection_pad2d", All(1, 4)), Image),
            ["replication_pad1d"] = new(Aten("replication_pad1d", All(1, 2)), [1, 2, 4]),
            ["replication_pad2d"] = new(Aten("replication_pad2d", All(1, 4)), Image),
            ["replication_pad3d"] = new(Aten("replication_pad3d", All(1, 6)), Volume),
            ["fake_quantize_per_tensor_affine"] = new(Aten("fake_quantize_per_tensor_affine", 0.1, 0, 0, 255), Rows),
            ["polar"] = new(Aten("polar"), Rows, Rows),
            ["view_as_complex"] = new(Aten("view_as_complex"), [4, 2]),
        };

    private static Dictionary<string, AutocastOverload> Losses() =>
        new(StringComparer.Ordinal)
        {
            ["binary_cross_entropy"] = Same("bce", Rows, Rows),
            ["binary_cross_entropy_with_logits"] = Same("bce_with_logits", Rows, Rows),
            ["cosine_embedding_loss"] = Same("cosine_embedding_loss", Rows, Rows),
            ["cross_entropy_loss"] = Same("cross_entropy", Rows),
            ["ctc_loss.IntList"] = Same("ctc_loss", [5, 2, 8]),
            ["ctc_loss.Tensor"] = new(
                Composed(x =>
                    Call(
                        "aten::ctc_loss.Tensor",
                        x[0],
                        ones([2, 3], ScalarType.Int64),
                        tensor(All(5, 2)),
                        tensor(All(3, 2)),
                        0,
                        1,
                        false
                    )
                ),
                [5, 2, 8]
            ),
            ["hinge_embedding_loss"] = Same("hinge_embedding_loss", [4]),
            ["huber_loss"] = Same("huber_loss", Rows, Rows),
            ["kl_div"] = Same("kl_div", Rows, Rows),
            ["l1_loss"] = Same("l1_loss", Rows, Rows),
            ["margin_ranking_loss"] = new( // recorded with a float32 target, whose dtype wins
                Composed(x => Call("aten::margin_ranking_loss", x[0], x[1], ones_like(x[0]), 0.0, 1)),
                [4],
                [4]
            ),
            ["mse_loss"] = Same("mse_loss", Rows, Rows),
            ["multi_margin_loss"] = Same("multi_margin_loss", Rows),
            ["multilabel_margin_loss"] = Same("multilabel_margin_loss", Rows),
            ["multilabel_margin_loss_forward"] = new(
                x => CallMany(2, "aten::multilabel_margin_loss_forward", x[0], zeros(x[0].shape, ScalarType.Int64), 1),
                Rows
            ),
            ["nll_loss"] = new(Composed(x => Call("aten::nll_loss", x[0], Classes(x[0]), null, 1, -100)), Rows),
            ["nll_loss2d"] = new(
                Composed(x => Call("aten::nll_loss2d", x[0], zeros([2, 3, 3], ScalarType.Int64), null, 1, -100)),
                [2, 4, 3, 3]
            ),
            ["poisson_nll_loss"] = Same("poisson_nll_loss", [4], [4]),
            ["smooth_l1_loss"] = Same("smooth_l1_loss", Rows, Rows),
            ["soft_margin_loss"] = Same("soft_margin_loss", [4]),
            ["triplet_margin_loss"] = Same("triplet_margin_loss", Rows, Rows, Rows),
        };

    private static Dictionary<string, AutocastOverload> Reductions() =>
        new(StringComparer.Ordinal)
        {
            ["prod"] = Same("prod", Rows),
            ["prod.dim_int"] = Same("prod_dim", Rows),
            ["trace"] = Same("trace", Matrix),
            ["cdist"] = Same("cdist", Rows, [6, 8]),
            ["quantile.scalar"] = Same("quantile", [16]),
            ["quantile"] = Quantile("quantile"),
            ["nanquantile.scalar"] = new(Aten("nanquantile.scalar", 0.5, null, false, "linear"), [16]),
            ["nanquantile"] = Quantile("nanquantile"),
        };

    private static Dictionary<string, AutocastOverload> LinearAlgebra() =>
        new(StringComparer.Ordinal)
        {
            ["_lu_with_info"] = new(Aten(3, "_lu_with_info", true, true), Matrix),
            ["cholesky"] = OfGram("cholesky", 1, false),
            ["cholesky_inverse"] = OfGram("cholesky_inverse", 1, false),
            ["cholesky_solve"] = new(Aten("cholesky_solve", false), [4, 2], Matrix),
            ["geqrf"] = new(Aten(2, "geqrf"), Matrix),
            ["inverse"] = new(Aten("inverse"), Matrix),
            ["linalg_cholesky"] = Same("linalg_cholesky_of_gram", Matrix),
            ["linalg_cholesky_ex"] = OfGram("linalg_cholesky_ex", 2, false, false),
            ["linalg_cond"] = new(Aten("linalg_cond", default(Argument)), Matrix),
            ["linalg_cond.p_str"] = new(Aten("linalg_cond.p_str", "fro"), Matrix),
            ["linalg_eig"] = new(Aten(2, "linalg_eig"), Matrix),
            ["linalg_eigh"] = new(Aten(2, "linalg_eigh", "L"), Matrix),
            ["linalg_eigvals"] = new(Aten("linalg_eigvals"), Matrix),
            ["linalg_eigvalsh"] = Same("linalg_eigvalsh", Matrix),
            ["linalg_householder_product"] = new(Aten("linalg_householder_product"), Matrix, [4]),
            ["linalg_inv"] = Same("linalg_inv", Matrix),
            ["linalg_inv_ex"] = new(Aten(2, "linalg_inv_ex", false), Matrix),
            ["linalg_lstsq"] = new(Aten(4, "linalg_lstsq", null, null), [6, 4], [6, 2]),
            ["linalg_matrix_rank"] = new(Aten("linalg_matrix_rank", 0.1, false), Matrix),
            ["linalg_matrix_rank.atol_rtol_float"] = new(
                Aten("linalg_matrix_rank.atol_rtol_float", null, null, false),
                Matrix
            ),
            ["linalg_matrix_rank.atol_rtol_tensor"] = new(
                Aten("linalg_matrix_rank.atol_rtol_tensor", null, null, false),
                Matrix
            ),
            ["linalg_matrix_rank.tol_tensor"] = new(
                Composed(x => Call("aten::linalg_matrix_rank.tol_tensor", x[0], tensor(0.1f), false)),
                Matrix
            ),
            ["linalg_qr"] = Same("linalg_qr", Matrix),
            ["linalg_solve"] = Same("linalg_solve", Matrix, [4, 2]),
            ["linalg_svd"] = Same("linalg_svd", Matrix),
            ["linalg_svdvals"] = new(Aten("linalg_svdvals", default(Argument)), Matrix),
            ["linalg_tensorinv"] = new(Aten("linalg_tensorinv", 2), [2, 3, 6]),
            ["linalg_tensorsolve"] = new(Aten("linalg_tensorsolve", default(Argument)), [2, 3, 6], [2, 3]),
            ["lu_solve"] = new(
                Composed(x => Call("aten::lu_solve", x[0], x[1], arange(1, 5, ScalarType.Int32))),
                [4, 2],
                Matrix
            ),
            ["orgqr"] = new(Aten("orgqr"), Matrix, [4]),
            ["ormqr"] = new(Aten("ormqr", true, false), Matrix, [4], [4, 2]),
            ["pinverse"] = new(Aten("pinverse", 1e-15), Matrix),
            ["qr"] = new(Aten(2, "qr", true), Matrix),
            ["svd"] = new(Aten(3, "svd", true, true), Matrix),
            ["triangular_solve"] = new(Aten(2, "triangular_solve", true, false, false), [4, 2], Matrix),
        };

    private static Dictionary<string, AutocastOverload> Fourier()
    {
        var known = new Dictionary<string, AutocastOverload>(StringComparer.Ordinal)
        {
            ["stft"] = Same("stft", [32]),
            ["stft.center"] = new(
                Aten("stft.center", 8, null, null, null, true, "reflect", false, null, Some(true), null),
                [32]
            ),
        };
        foreach (var name in (string[])["fft_fft", "fft_ifft", "fft_rfft", "fft_irfft", "fft_hfft", "fft_ihfft"])
        {
            known.Add(name, new(Aten(name, null, -1, null), Rows));
        }

        foreach (var name in (string[])["fft_fft", "fft_ifft", "fft_rfft", "fft_irfft"])
        {
            known.Add($"{name}2", new(Aten($"{name}2", null, new[] { -2L, -1L }, null), Rows));
            known.Add($"{name}n", new(Aten($"{name}n", null, null, null), Rows));
        }

        return known;
    }

    // The overload is the one that a recorded operator calls.
    private static AutocastOverload Same(string recorded, params long[][] shapes) =>
        new(AutocastOperators.Find(recorded)!, shapes);

    private static AutocastOverload Quantile(string name) =>
        new(Composed(x => Call($"aten::{name}", x[0], tensor(0.5f).to(x[0].dtype), null, false, "linear")), [16]);

    private static AutocastOverload OfGram(string name, int outputs, params Argument?[] rest) =>
        new(x => CallMany(outputs, $"aten::{name}", [AutocastDecompositions.Gram(x[0]), .. rest]), Matrix);

    // Where each value of the pooled maps goes: every second place.
    private static Tensor Places(Tensor x)
    {
        var map = x[0, 0];
        return (arange(map.numel(), ScalarType.Int64) * 2).view(map.shape).expand(x.shape).contiguous();
    }
}
