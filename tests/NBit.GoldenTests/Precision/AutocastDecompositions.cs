using static NBit.GoldenTests.Precision.AutocastOperators;
using static NBit.Testing.Argument;
using static NBit.Testing.Dispatcher;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>Linear algebra and Fourier transforms.</summary>
internal static class AutocastDecompositions
{
    public static Dictionary<string, AutocastCall> Operators { get; } =
        new(StringComparer.Ordinal)
        {
            ["linalg_inv"] = Aten("linalg_inv"),
            ["linalg_solve"] = Aten("linalg_solve", true),
            ["linalg_svd"] = Aten(3, "linalg_svd", true, null),
            ["linalg_qr"] = Aten(2, "linalg_qr", "reduced"),
            ["linalg_det"] = Aten("linalg_det"),
            ["linalg_cholesky_of_gram"] = Composed(x => Call("aten::linalg_cholesky", Gram(x[0]), false)),
            ["linalg_eigvalsh"] = Aten("linalg_eigvalsh", "L"),
            ["fft_rfft"] = Aten("fft_rfft", null, -1, null),
            ["stft"] = Composed(x => ShortTimeFourier(x[0])),
        };

    /// <summary>A positive definite matrix.</summary>
    public static Tensor Gram(Tensor x) => Call("aten::matmul", x, x.mT) + (eye(x.shape[0], dtype: x.dtype) * 4);

    // torch.stft pads the signal, so that frames are centred, and then calls the operator.
    private static Tensor ShortTimeFourier(Tensor signal)
    {
        const long size = 8;
        var padded = Call("aten::pad", signal.view(1, 1, -1), new[] { size / 2, size / 2 }, "reflect", null).view(-1);
        return Call("aten::stft", padded, size, null, null, null, false, null, Some(true), null);
    }
}
