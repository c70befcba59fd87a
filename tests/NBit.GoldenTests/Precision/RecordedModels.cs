using System.Text.Json;
using NBit.GoldenTests.Golden;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

#pragma warning disable IDE1006 // the name of a layer is that of its field

/// <summary>x[B, in] -> fc1 -> norm1 -> gelu -> fc2 -> norm2 -> gelu -> head.</summary>
internal sealed class RecordedMlp : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc1,
        fc2,
        head;
    private readonly LayerNorm norm1,
        norm2;

    public RecordedMlp(JsonElement sizes)
        : base(nameof(RecordedMlp))
    {
        int input = (int)sizes.Number("d_in")!,
            hidden = (int)sizes.Number("h")!,
            output = (int)sizes.Number("out")!;
        (fc1, fc2, head) = (nn.Linear(input, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, output));
        (norm1, norm2) = (nn.LayerNorm(hidden), nn.LayerNorm(hidden));
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        x = nn.functional.gelu(norm1.forward(fc1.forward(x)));
        x = nn.functional.gelu(norm2.forward(fc2.forward(x)));
        return head.forward(x);
    }
}

/// <summary>x[B, T, d] -> pre-norm blocks of attention and two layers -> norm -> mean over T -> head.</summary>
internal sealed class RecordedEncoder : nn.Module<Tensor, Tensor>
{
    private readonly ModuleList<Block> blocks;
    private readonly LayerNorm norm;
    private readonly Linear head;

    public RecordedEncoder(JsonElement sizes)
        : base(nameof(RecordedEncoder))
    {
        int width = (int)sizes.Number("d")!,
            heads = (int)sizes.Number("heads")!,
            inner = (int)sizes.Number("ff")!;
        blocks = nn.ModuleList(
            Enumerable.Range(0, (int)sizes.Number("layers")!).Select(_ => new Block(width, heads, inner)).ToArray()
        );
        norm = nn.LayerNorm(width);
        head = nn.Linear(width, (int)sizes.Number("out")!);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        foreach (var block in blocks)
        {
            x = block.forward(x);
        }

        return head.forward(norm.forward(x).mean([1]));
    }

    internal sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly int _heads;
        private readonly LayerNorm norm1,
            norm2;
        private readonly Linear q,
            k,
            v,
            @out,
            ff1,
            ff2;

        public Block(int width, int heads, int inner)
            : base(nameof(Block))
        {
            _heads = heads;
            (norm1, norm2) = (nn.LayerNorm(width), nn.LayerNorm(width));
            (q, k, v, @out) = (
                nn.Linear(width, width),
                nn.Linear(width, width),
                nn.Linear(width, width),
                nn.Linear(width, width)
            );
            (ff1, ff2) = (nn.Linear(width, inner), nn.Linear(inner, width));
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            var (batch, length, width) = (x.shape[0], x.shape[1], x.shape[2]);
            var y = norm1.forward(x);
            Tensor Split(Tensor t) => t.view(batch, length, _heads, width / _heads).transpose(1, 2);
            var (queries, keys, values) = (Split(q.forward(y)), Split(k.forward(y)), Split(v.forward(y)));
            var attention = nn.functional.softmax(
                matmul(queries, keys.transpose(-2, -1)) * (1.0 / Math.Sqrt(width / _heads)),
                dim: -1
            );
            y = matmul(attention, values).transpose(1, 2).reshape(batch, length, width);
            x = x + @out.forward(y);
            return x + ff2.forward(nn.functional.relu(ff1.forward(norm2.forward(x))));
        }
    }
}
