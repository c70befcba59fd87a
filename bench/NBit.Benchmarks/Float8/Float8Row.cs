using NBit.Benchmarks.Measurement;
using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.Benchmarks.Float8;

/// <summary>A layer of NBit's in 8 bits, its weight cached, beside one of libtorch's.</summary>
/// <param name="peerType">The dtype of libtorch's layer.</param>
/// <param name="trains">Whether a backward pass follows the forward pass.</param>
internal sealed class Float8Row(ScalarType peerType, bool trains)
    : Row($"{(trains ? "forward + backward" : "forward")}, against {peerType}")
{
    private const double Tolerance = 0.05; // of the output's norm: E4M3 rounds by up to 1/16, some 2.6 % in the mean

    public override Trial Prepare()
    {
        var (own, peer) = (Float8Run.Own(trains), Float8Run.Libtorch(peerType, trains));
        return new Trial(new Both(own, peer))
        {
            Contenders = [new("NBit", () => Clock.Seconds(own.Run)), new("libtorch", () => Clock.Seconds(peer.Run))],
        };
    }

    public override string Check()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        manual_seed(1);
        using var layer = new TE.Linear(96, 80, dtype: ScalarType.BFloat16);
        var x = randn([33, 96], ScalarType.BFloat16);
        using var region = NBit.TransformerEngine.Float8.Autocast(new Float8CurrentScaling());
        var exact = nn.functional.linear(x.to(ScalarType.Float64), layer.weight.to(ScalarType.Float64));
        var error = (layer.forward(x).to(ScalarType.Float64) - exact).norm() / exact.norm();
        return error.item<double>() is > 0 and <= Tolerance
            ? $"33 rows of 96 by 80: {error.item<double>():P2} off the product of the numbers that were cast"
            : throw new CheckFailedException($"{error.item<double>():P2} off the product in float64");
    }

    private sealed class Both(Float8Run own, Float8Run peer) : IDisposable
    {
        public void Dispose()
        {
            own.Dispose();
            peer.Dispose();
        }
    }
}
