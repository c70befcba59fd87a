using static NBit.GoldenTests.Precision.AutocastOperators;
using static NBit.Testing.Dispatcher;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Losses, reduced by their mean unless said otherwise.</summary>
internal static class AutocastLosses
{
    // at::Reduction
    private const long None = 0,
        Mean = 1,
        Sum = 2;
    private const long IgnoreIndex = -100;

    public static Dictionary<string, AutocastCall> Operators { get; } =
        new(StringComparer.Ordinal)
        {
            ["mse_loss"] = Aten("mse_loss", Mean),
            ["mse_loss_none"] = Aten("mse_loss", None),
            ["l1_loss"] = Aten("l1_loss", Mean),
            ["smooth_l1_loss"] = Aten("smooth_l1_loss", Mean, 1.0),
            ["huber_loss"] = Aten("huber_loss", Mean, 1.0),
            ["cross_entropy"] = Composed(x => CrossEntropy(x[0], Classes(x[0]))),
            ["cross_entropy_label_smoothing"] = Composed(x => CrossEntropy(x[0], Classes(x[0]), smoothing: 0.1)),
            ["cross_entropy_prob_target"] = Composed(x => CrossEntropy(x[0], Softmax(x[1]))),
            ["nll_loss"] = Composed(x => NegativeLogLikelihood(x[0], Classes(x[0]))),
            ["nll_loss2d"] = Composed(x =>
                NegativeLogLikelihood(x[0], zeros([x[0].shape[0], .. x[0].shape[2..]], ScalarType.Int64))
            ),
            ["bce"] = Composed(x => Call("aten::binary_cross_entropy", Sigmoid(x[0]), Sigmoid(x[1]), null, Mean)),
            ["bce_with_logits"] = Composed(x =>
                Call("aten::binary_cross_entropy_with_logits", x[0], Sigmoid(x[1]), null, null, Mean)
            ),
            ["kl_div"] = Composed(x => Call("aten::kl_div", x[0], Softmax(x[1]), Sum, false) / x[0].shape[0]),
            ["margin_ranking_loss"] = Composed(x =>
                Call("aten::margin_ranking_loss", x[0], x[1], ones(x[0].shape), 0.0, Mean)
            ),
            ["hinge_embedding_loss"] = Composed(x =>
                Call("aten::hinge_embedding_loss", x[0], ones(x[0].shape), 1.0, Mean)
            ),
            ["cosine_embedding_loss"] = Composed(x =>
                Call("aten::cosine_embedding_loss", x[0], x[1], ones(x[0].shape[0]), 0.0, Mean)
            ),
            ["triplet_margin_loss"] = Aten("triplet_margin_loss", 1.0, 2.0, 1e-6, false, Mean),
            ["poisson_nll_loss"] = Composed(x =>
                Call("aten::poisson_nll_loss", x[0], Call("aten::abs", x[1]), true, false, 1e-8, Mean)
            ),
            ["soft_margin_loss"] = Composed(x => Call("aten::soft_margin_loss", x[0], ones(x[0].shape), Mean)),
            ["multi_margin_loss"] = Composed(x => nn.functional.multi_margin_loss(x[0], Classes(x[0]))),
            ["multilabel_margin_loss"] = Composed(x =>
                Call("aten::multilabel_margin_loss", x[0], zeros(x[0].shape, ScalarType.Int64), Mean)
            ),
            ["gaussian_nll_loss"] = Composed(x =>
                GaussianNegativeLogLikelihood(x[0], x[1], ones(x[0].shape, x[0].dtype))
            ),
            ["ctc_loss"] = Composed(x => Ctc(Call("aten::log_softmax.int", x[0], -1, null))),
        };

    private static Tensor Softmax(Tensor x) => Call("aten::softmax.int", x, -1, null);

    private static Tensor Sigmoid(Tensor x) => Call("aten::sigmoid", x);

    private static Tensor CrossEntropy(Tensor x, Tensor target, double smoothing = 0) =>
        Call("aten::cross_entropy_loss", x, target, null, Mean, IgnoreIndex, smoothing);

    private static Tensor NegativeLogLikelihood(Tensor x, Tensor target) =>
        Call("aten::nll_loss_nd", x, target, null, Mean, IgnoreIndex);

    // torch.nn.functional.gaussian_nll_loss is written in Python.
    private static Tensor GaussianNegativeLogLikelihood(Tensor x, Tensor target, Tensor variance)
    {
        variance = variance.clone().clamp_(1e-6);
        return Call("aten::mean", (variance.log() + ((x - target).pow(2) / variance)) * 0.5, null);
    }

    private static Tensor Ctc(Tensor logarithms)
    {
        var (steps, batch) = (logarithms.shape[0], (int)logarithms.shape[1]);
        long[] Each(long length) => [.. Enumerable.Repeat(length, batch)];
        var targets = ones([batch, 3], ScalarType.Int64);
        return Call("aten::ctc_loss.IntList", logarithms, targets, Each(steps), Each(3), 0, Mean, false);
    }
}
