using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Training;

/// <summary>How gradients are clipped.</summary>
public enum GradientClipAlgorithm
{
    /// <summary>All gradients together are scaled down to a norm (Pascanu et al., 2013).</summary>
    Norm,

    /// <summary>Each element is limited.</summary>
    Value,
}

/// <summary>Clips gradients in place (torch.nn.utils.clip_grad_norm_ and clip_grad_value_).</summary>
internal static class GradientClipping
{
    /// <summary>Scales the gradients by min(1, maxNorm / (norm + 1e-6)).</summary>
    /// <returns>The norm over all gradients before.</returns>
    /// <exception cref="InvalidOperationException">The norm is infinite or NaN, and that is an error.</exception>
    public static double ByNorm(
        IEnumerable<Parameter> parameters,
        double maxNorm,
        double normType = 2,
        bool errorIfNonfinite = false
    )
    {
        var list = parameters.ToList();
        if (errorIfNonfinite && !double.IsFinite(TotalNorm(list, normType)))
        {
            throw new InvalidOperationException(
                $"The total norm of order {normType:0.0} for gradients from `parameters` is non-finite, so it cannot be clipped. To disable "
                    + "this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
            );
        }

        return nn.utils.clip_grad_norm_(list, maxNorm, normType);
    }

    /// <summary>Limits each element of the gradients to [-value, value].</summary>
    public static void ByValue(IEnumerable<Parameter> parameters, double value) =>
        nn.utils.clip_grad_value_(parameters, value);

    private static double TotalNorm(List<Parameter> parameters, double normType)
    {
        using var scope = NewDisposeScope();
        var norms = parameters
            .Select(parameter => parameter.grad)
            .OfType<Tensor>()
            .Select(gradient => linalg.vector_norm(gradient, normType))
            .ToArray();
        return norms.Length == 0 ? 0 : linalg.vector_norm(stack(norms), normType).to(ScalarType.Float64).item<double>();
    }
}
