using static NBit.GoldenTests.Precision.AutocastOperators;
using static NBit.Testing.Argument;
using static NBit.Testing.Dispatcher;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Normalizations, activations, embedding and distances.</summary>
internal static class AutocastLayers
{
    private const double Epsilon = 1e-5;

    public static Dictionary<string, AutocastCall> Operators { get; } =
        new(StringComparer.Ordinal)
        {
            ["softmax"] = Aten("softmax.int", -1, null),
            ["softmax_dtype_float32"] = Aten("softmax.int", -1, Some(ScalarType.Float32)),
            ["log_softmax"] = Aten("log_softmax.int", -1, null),
            ["softmin"] = Composed(x => Call("aten::softmax.int", Call("aten::neg", x[0]), -1, null)),
            ["layer_norm"] = Composed(x =>
                Call("aten::layer_norm", x[0], Last(x[0]), Some(x[1]), Some(x[2]), Epsilon, true)
            ),
            ["layer_norm_noaffine"] = Composed(x =>
                Call("aten::layer_norm", x[0], Last(x[0]), null, null, Epsilon, true)
            ),
            ["rms_norm"] = Composed(x => Call("aten::rms_norm", x[0], Last(x[0]), Some(x[1]), null)),
            ["batch_norm_train"] = BatchNorm(training: true),
            ["batch_norm_eval"] = BatchNorm(training: false),
            ["group_norm"] = Composed(x => Call("aten::group_norm", x[0], 2, Some(x[1]), Some(x[2]), Epsilon, true)),
            ["instance_norm"] = Aten("instance_norm", null, null, null, null, true, 0.1, Epsilon, true),
            ["gelu"] = Aten("gelu", "none"),
            ["gelu_tanh"] = Aten("gelu", "tanh"),
            ["relu"] = Aten("relu"),
            ["leaky_relu"] = Composed(x => x[0].leaky_relu(0.01)),
            ["elu"] = Composed(x => x[0].elu(1.0)),
            ["selu"] = Aten("selu"),
            ["silu"] = Aten("silu"),
            ["mish"] = Aten("mish"),
            ["sigmoid"] = Aten("sigmoid"),
            ["tanh"] = Aten("tanh"),
            ["hardtanh"] = Composed(x => x[0].hardtanh(-1.0, 1.0)),
            ["hardswish"] = Aten("hardswish"),
            ["softplus"] = Composed(x => x[0].softplus()),
            ["logsigmoid"] = Aten("log_sigmoid"),
            ["relu6"] = Aten("relu6"),
            ["softsign"] = Composed(x => x[0] / (x[0].abs() + 1)),
            ["glu"] = Aten("glu", -1),
            ["dropout_train"] = Aten("dropout", 0.5, true),
            ["embedding"] = Composed(x => Call("aten::embedding", x[0], Order(x[0]), -1, false, false)),
            ["normalize"] = Composed(x =>
                x[0] / linalg.vector_norm(x[0], 2.0, [-1], keepdim: true).clamp_min(1e-12).expand_as(x[0])
            ),
            ["cosine_similarity"] = Aten("cosine_similarity", 1, 1e-8),
            ["pairwise_distance"] = Aten("pairwise_distance", 2.0, 1e-6, false),
        };

    private static AutocastCall BatchNorm(bool training) =>
        Composed(x =>
            Call(
                "aten::batch_norm",
                x[0],
                Some(x[1]),
                Some(x[2]),
                Some(zeros(x[0].shape[1], x[1].dtype)),
                Some(ones(x[0].shape[1], x[1].dtype)),
                training,
                0.1,
                Epsilon,
                true
            )
        );

    private static long[] Last(Tensor x) => [x.shape[^1]];
}
