using NBit.Testing;
using TorchSharp.Modules;
using static NBit.GoldenTests.Precision.AutocastOperators;
using static NBit.Testing.Argument;
using static NBit.Testing.Dispatcher;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Products, convolutions, attention and recurrent networks.</summary>
internal static class AutocastProducts
{
    private const long Hidden = 6;

    public static Dictionary<string, AutocastCall> Operators { get; } =
        new(StringComparer.Ordinal)
        {
            ["linear"] = Composed(x => Call("aten::linear", x[0], x[1], Some(x[2]))),
            ["linear_nobias"] = Aten("linear", default(Argument)),
            ["matmul"] = Aten("matmul"),
            ["matmul_operator_at"] = Aten("matmul"),
            ["matmul_batched_3d"] = Aten("matmul"),
            ["matmul_vec_vec"] = Aten("matmul"),
            ["mm"] = Aten("mm"),
            ["bmm"] = Aten("bmm"),
            ["mv"] = Aten("mv"),
            ["dot"] = Aten("dot"),
            ["vdot"] = Aten("vdot"),
            ["inner"] = Aten("inner"),
            ["outer"] = Aten("outer"),
            ["addmm"] = Composed(x => x[0].addmm(x[1], x[2])),
            ["addmv"] = Composed(x => x[0].addmv(x[1], x[2])),
            ["addr"] = Composed(x => x[0].addr(x[1], x[2])),
            ["addbmm"] = Composed(x => x[0].addbmm(x[1], x[2])),
            ["baddbmm"] = Composed(x => x[1].baddbmm(x[2], x[0])), // TorchSharp 0.107's order is batch1, batch2, self
            ["chain_matmul"] = Composed(x => Call("aten::linalg_multi_dot", x)),
            ["linalg_vecdot"] = Aten("linalg_vecdot", -1),
            ["tensordot"] = Composed(x => Call("aten::tensordot", x[0], x[1], new[] { x[0].dim() - 1 }, new[] { 0L })),
            ["kron"] = Aten("kron"),
            ["einsum_bij_bjk"] = Einsum("bij,bjk->bik"),
            ["einsum_elementwise"] = Einsum("ij,ij->ij"),
            ["bilinear"] = Aten("bilinear", default(Argument)),
            ["prelu"] = Aten("prelu"),
            ["baddbmm_inplace"] = Scripted(3, "a.clone().baddbmm_(b, c)"),
            ["addmm_inplace"] = Composed(x => x[0].clone().addmm_(x[1], x[2])),
            ["mm_out"] = Composed(x =>
                Call("aten::mm.out", x[0], x[1], empty(x[0].shape[0], x[1].shape[1], dtype: x[0].dtype))
            ),
            ["conv1d"] = Convolution(1),
            ["conv1d_padding_same"] = PaddedConvolution(1),
            ["conv2d"] = Convolution(2),
            ["conv2d_padding_same"] = PaddedConvolution(2),
            ["conv2d_groups"] = Convolution(2),
            ["conv3d"] = Convolution(3),
            ["conv_transpose1d"] = TransposedConvolution("conv_transpose1d", 1),
            ["conv_transpose2d"] = TransposedConvolution("conv_transpose2d.input", 2),
            ["conv_transpose3d"] = TransposedConvolution("conv_transpose3d.input", 3),
            ["scaled_dot_product_attention"] = Attention(causal: false),
            ["sdpa_causal"] = Attention(causal: true),
            ["sdpa_float_mask"] = Attention(causal: false),
            ["lstm_module"] = x => Recurrent(3, "lstm.input", x[0], 4, states: 2),
            ["gru_module"] = x => Recurrent(2, "gru.input", x[0], 3),
            ["rnn_tanh_module"] = x => Recurrent(2, "rnn_tanh.input", x[0], 1),
            ["lstm_cell_module"] = x => Cell(2, "lstm_cell", x[0], 4, states: 2),
            ["gru_cell_module"] = x => Cell(1, "gru_cell", x[0], 3),
            ["multihead_attention_module_train"] = x => MultiheadAttention(x[0]),
        };

    private static AutocastCall Einsum(string equation) => Composed(x => Call("aten::einsum", equation, x, null));

    private static AutocastCall Convolution(int dimensions) =>
        Composed(x =>
            Call(
                $"aten::conv{dimensions}d",
                x[0],
                x[1],
                Optional(x, 2),
                All(1, dimensions),
                All(0, dimensions),
                All(1, dimensions),
                Groups(x)
            )
        );

    private static AutocastCall PaddedConvolution(int dimensions) =>
        Composed(x =>
            Call(
                $"aten::conv{dimensions}d.padding",
                x[0],
                x[1],
                Optional(x, 2),
                All(1, dimensions),
                "same",
                All(1, dimensions),
                Groups(x)
            )
        );

    private static AutocastCall TransposedConvolution(string name, int dimensions) =>
        Composed(x =>
            Call(
                $"aten::{name}",
                x[0],
                x[1],
                Optional(x, 2),
                All(1, dimensions),
                All(0, dimensions),
                All(0, dimensions),
                1,
                All(1, dimensions)
            )
        );

    private static AutocastCall Attention(bool causal) =>
        Composed(x =>
            Call("aten::scaled_dot_product_attention", x[0], x[1], x[2], Optional(x, 3), 0.0, causal, null, false)
        );

    private static Argument? Optional(Tensor[] x, int index) => x.Length > index ? Some(x[index]) : null;

    private static long Groups(Tensor[] x) => x[0].shape[1] / x[1].shape[1];

    // A module of one layer: its weights have the input's dtype and are leaves, so that autocast may keep their casts.
    private static Tensor[] Recurrent(int outputs, string name, Tensor x, int gates, int states = 1) =>
        CallMany(
            outputs,
            $"aten::{name}",
            [x, State(states, [1, x.shape[1], Hidden], x), Weights(gates, x), true, 1, 0.0, true, false, false]
        );

    private static Tensor[] Cell(int outputs, string name, Tensor x, int gates, int states = 1) =>
        CallMany(
            outputs,
            $"aten::{name}",
            [x, State(states, [x.shape[0], Hidden], x), .. CellWeights(Weights(gates, x))]
        );

    private static Argument State(int states, long[] shape, Tensor x)
    {
        var zero = zeros(shape, x.dtype);
        return states == 1 ? zero : new[] { zero, zero };
    }

    private static Argument[] CellWeights(Tensor[] weights) =>
        [weights[0], weights[1], Some(weights[2]), Some(weights[3])];

    private static Tensor[] Weights(int gates, Tensor x) =>
        [
            Leaf(x, gates * Hidden, x.shape[^1]),
            Leaf(x, gates * Hidden, Hidden),
            Leaf(x, gates * Hidden),
            Leaf(x, gates * Hidden),
        ];

    private static Parameter Leaf(Tensor x, params long[] shape) => new(randn(shape).mul(0.1f).to(x.dtype));

    // torch.nn.MultiheadAttention(embed, 2, batch_first=True) gives the weights too, so not by fused attention.
    private static Tensor[] MultiheadAttention(Tensor x)
    {
        const long heads = 2;
        var (batch, tokens, embed) = (x.shape[0], x.shape[1], x.shape[2]);
        var projected = Call("aten::linear", x.transpose(0, 1), Leaf(x, 3 * embed, embed), Some(Leaf(x, 3 * embed)));
        var parts = projected
            .chunk(3, -1)
            .Select(part => part.contiguous().view(tokens, batch * heads, embed / heads).transpose(0, 1))
            .ToArray();
        var scores = Call("aten::bmm", parts[0] * Math.Sqrt(1.0 * heads / embed), parts[1].transpose(-2, -1));
        var weights = Call("aten::softmax.int", scores, -1, null);
        weights = Call("aten::dropout", weights, 0.0, true);
        var mixed = Call("aten::bmm", weights, parts[2]).transpose(0, 1).contiguous().view(tokens * batch, embed);
        var output = Call("aten::linear", mixed, Leaf(x, embed, embed), Some(Leaf(x, embed)));
        return
        [
            output.view(tokens, batch, embed).transpose(0, 1),
            Call("aten::mean.dim", weights.view(batch, heads, tokens, tokens), Some(new[] { 1L }), false, null),
        ];
    }
}
