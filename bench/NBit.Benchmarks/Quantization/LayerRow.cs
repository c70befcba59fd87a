using NBit.Benchmarks.Measurement;
using static TorchSharp.torch;

namespace NBit.Benchmarks.Quantization;

/// <summary>A quantized layer beside another one that does the same work.</summary>
/// <param name="layerCase">The layer.</param>
/// <param name="peer">The same work in another form; null for libtorch's layer in bfloat16.</param>
/// <param name="limits">What the layer is held against.</param>
internal sealed class LayerRow(LayerCase layerCase, LayerCase? peer, params Limit[] limits)
    : Row(peer is null ? $"{layerCase}" : $"{layerCase}, against {peer.InFeatures}")
{
    // Weights of 1 / sqrt(inputs) and bias: errors of 4-bit and 8-bit products are compared with the output's norm.
    private const double Tolerance = 0.02;

    public override Trial Prepare()
    {
        var own = Quantized(layerCase);
        var other = peer is null ? Libtorch() : Quantized(peer);
        return new Trial(new Both(own, other))
        {
            Contenders = [new("NBit", own.Seconds), new("peer", other.Seconds)],
            Limits = limits,
            Work = layerCase.Operations,
        };
    }

    public override string Check()
    {
        // As many inputs as must be irregular where the row's are, and few.
        var small = layerCase with
        {
            InFeatures = 64 + (layerCase.InFeatures % 32),
            Rows = Math.Min(layerCase.Rows, 33),
            OutlierColumns = Math.Min(layerCase.OutlierColumns, 2),
        };
        using var scope = NewDisposeScope();
        manual_seed(1);
        var linear = nn.Linear(small.InFeatures, LayerCase.OutFeatures);
        var layer = small.Quantize(linear);
        var (own, exact) = (LayerRun.Input(small), LayerRun.Input(small));
        exact.copy_(own);
        var reference = nn.functional.linear(
            exact.to(ScalarType.Float64).requires_grad_(),
            Numbers(layer).to(ScalarType.Float64),
            linear.bias!.detach().to(ScalarType.Float64)
        );
        using (no_grad())
        {
            var error = (layer.forward(own).to(ScalarType.Float64) - reference).norm() / reference.norm();
            return error.item<double>() <= Tolerance
                ? $"{small}: {error.item<double>():P2} off the product with the dequantized weight"
                : throw new CheckFailedException(
                    $"{error.item<double>():P2} off the product with the dequantized weight"
                );
        }
    }

    private static Tensor Numbers(nn.Module layer) =>
        layer is NBit.Quantization.Linear4bit four
            ? four.Dequantize(ScalarType.Float32)
            : NBit.Quantization.Functional.Int8VectorwiseDequantize(
                ((NBit.Quantization.Linear8bitLt)layer).weight,
                ((NBit.Quantization.Linear8bitLt)layer).RowAbsmax!
            );

    private static LayerRun Quantized(LayerCase work)
    {
        using var linear = nn.Linear(work.InFeatures, LayerCase.OutFeatures, hasBias: false);
        return new LayerRun(work, () => work.Quantize(linear), work.WeightBytes);
    }

    private LayerRun Libtorch()
    {
        const double bytesPerWeight = 2;
        var work = layerCase with { Dtype = ScalarType.BFloat16 };
        return new LayerRun(work, Make, bytesPerWeight * LayerCase.OutFeatures * work.InFeatures);

        nn.Module<Tensor, Tensor> Make()
        {
            var linear = nn.Linear(work.InFeatures, LayerCase.OutFeatures, hasBias: false, dtype: work.Dtype);
            linear.weight.requires_grad = false;
            return work.WithAdapter(linear);
        }
    }

    private sealed class Both(LayerRun own, LayerRun other) : IDisposable
    {
        public void Dispose()
        {
            own.Dispose();
            other.Dispose();
        }
    }
}
