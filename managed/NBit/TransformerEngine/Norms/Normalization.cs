using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>LayerNorm and RMSNorm as Transformer Engine computes them: in float32 throughout, rounded once.</summary>
internal static class Normalization
{
    /// <summary>A norm in the autograd graph.</summary>
    /// <param name="settings">Which norm.</param>
    /// <param name="input">[..., size].</param>
    /// <param name="weight">[size].</param>
    /// <param name="bias">[size]; null for RMSNorm.</param>
    /// <param name="dtype">The dtype of the output; null for the input's.</param>
    /// <returns>[..., size].</returns>
    public static Tensor Forward(
        NormalizationSettings settings,
        Tensor input,
        Tensor weight,
        Tensor? bias,
        ScalarType? dtype = null
    )
    {
        Float8Operands.CheckFeatures(input, weight.shape[0]);
        using var scope = NewDisposeScope();
        var rows = input.detach().reshape(-1, input.shape[^1]);
        var scale = weight.detach();
        var (wide, statistics) = Compute(settings, rows, scale, bias?.detach());
        var output = wide.to(dtype ?? input.dtype).view(input.shape);
        if (!is_grad_enabled() || !(input.requires_grad || weight.requires_grad || bias is { requires_grad: true }))
        {
            statistics.Dispose();
            return output.MoveToOuterDisposeScope();
        }

        var kept = new Kept(rows.DetachFromDisposeScope(), scale.DetachFromDisposeScope(), statistics);
        var (shape, inputType, weightType, biasType) = (input.shape, input.dtype, weight.dtype, bias?.dtype);
        return ModuleGradient.Attach(output, [input, weight, bias], Backward, kept).MoveToOuterDisposeScope();

        Tensor?[] Backward(Tensor gradient)
        {
            var (dx, dWeight, dBias) = Gradients(
                settings,
                gradient.reshape(-1, shape[^1]),
                kept.Rows,
                kept.Weight,
                statistics
            );
            return [dx.view(shape).to(inputType), dWeight.to(weightType), dBias?.to(biasType!.Value)];
        }
    }

    /// <summary>The norm of rows in float32.</summary>
    /// <param name="settings">Which norm.</param>
    /// <param name="rows">[rows, size].</param>
    /// <param name="weight">[size].</param>
    /// <param name="bias">[size]; null for RMSNorm.</param>
    /// <returns>float32 [rows, size], and the statistics.</returns>
    public static (Tensor Output, NormalizationStatistics Statistics) Compute(
        NormalizationSettings settings,
        Tensor rows,
        Tensor weight,
        Tensor? bias
    )
    {
        using var scope = NewDisposeScope();
        var x = rows.to(ScalarType.Float32);
        var mean = settings.Kind == NormalizationKind.LayerNorm ? x.mean([-1], keepdim: true) : null;
        var centered = mean is null ? x : x - mean;
        var inverse = centered.square().mean([-1], keepdim: true).add(settings.Eps).rsqrt();
        var output = centered * inverse * Scale(settings, weight);
        if (bias is not null)
        {
            output = output + bias.to(ScalarType.Float32);
        }

        var statistics = new NormalizationStatistics(mean?.DetachFromDisposeScope(), inverse.DetachFromDisposeScope());
        return (output.MoveToOuterDisposeScope(), statistics);
    }

    /// <summary>The gradients of a norm in float32.</summary>
    /// <param name="settings">Which norm.</param>
    /// <param name="gradient">That of the output, [rows, size].</param>
    /// <param name="rows">The input, [rows, size].</param>
    /// <param name="weight">[size].</param>
    /// <param name="statistics">Those of the forward pass.</param>
    /// <returns>float32 [rows, size], [size] and [size], the last one null for RMSNorm.</returns>
    public static (Tensor Input, Tensor Weight, Tensor? Bias) Gradients(
        NormalizationSettings settings,
        Tensor gradient,
        Tensor rows,
        Tensor weight,
        NormalizationStatistics statistics
    )
    {
        using var scope = NewDisposeScope();
        var dz = gradient.to(ScalarType.Float32);
        var x = rows.to(ScalarType.Float32);
        var normalized = (statistics.Mean is { } mean ? x - mean : x) * statistics.InverseDeviation;
        var scaled = dz * Scale(settings, weight);
        var along = normalized * (scaled * normalized).mean([-1], keepdim: true);
        var dx = statistics.Mean is null ? scaled - along : scaled - scaled.mean([-1], keepdim: true) - along;
        return (
            (dx * statistics.InverseDeviation).MoveToOuterDisposeScope(),
            (dz * normalized).sum([0]).MoveToOuterDisposeScope(),
            statistics.Mean is null ? null : dz.sum([0]).MoveToOuterDisposeScope()
        );
    }

    private static Tensor Scale(NormalizationSettings settings, Tensor weight)
    {
        var scale = weight.to(ScalarType.Float32);
        return settings.ZeroCenteredGamma ? scale + 1 : scale;
    }

    private sealed record Kept(Tensor Rows, Tensor Weight, NormalizationStatistics Statistics) : IDisposable
    {
        public void Dispose()
        {
            Rows.Dispose();
            Weight.Dispose();
            Statistics.Dispose();
        }
    }
}
