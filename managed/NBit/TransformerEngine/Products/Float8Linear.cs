using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>A linear layer in 8 bits with its gradients: that of <see cref="Modules.Linear" /> and of TorchSharp's
/// converted layers.</summary>
internal static class Float8Linear
{
    /// <summary>The layer inside a region; null outside of enabled ones, where the caller multiplies in its own
    /// precision.</summary>
    /// <param name="state">That of the module.</param>
    /// <param name="input">[..., in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="isFirstMicrobatch">Whether the weight is cached: see
    /// <see cref="Float8Pass.QuantizeWeight" />.</param>
    /// <param name="mainGradient">Where the weight's gradient goes; null for the weight itself.</param>
    /// <param name="place">Where the layer stands in a module of several steps; null for a module of its own.</param>
    /// <returns>[..., out].</returns>
    public static Tensor? Forward(
        Float8State state,
        Tensor input,
        ProductWeight weight,
        Tensor? bias,
        bool? isFirstMicrobatch = null,
        Tensor? mainGradient = null,
        ProductPlace? place = null
    )
    {
        var product = place?.Product ?? 0;
        if (Float8Region.Current is not { Enabled: true } region)
        {
            Float8Pass.Calibrate(state, product, input, weight);
            return null;
        }

        Float8Operands.CheckFeatures(input, weight.InFeatures);
        var dtype = place?.Dtype ?? Float8Operands.ActivationType(input, [.. Checked(weight), (nameof(bias), bias)]);
        weight.Primary?.CheckRecipe(region.Recipe);
        using var scope = NewDisposeScope();
        var grad = is_grad_enabled();
        var forInput = grad && input.requires_grad;
        var forWeight = grad && (weight.RequiresGrad || (weight.Primary is not null && mainGradient is not null));
        var needsGradient = forInput || forWeight || (grad && bias is { requires_grad: true });
        var pass = Float8Pass.Begin(state, needsGradient)!;
        var rows = Float8Operands.Rows(input, place is null ? dtype : input.dtype);
        using var x = pass.QuantizeInput(product, rows, place?.InputAmax);
        using var w = pass.QuantizeWeight(product, weight, isFirstMicrobatch);
        long[] shape = [.. input.shape[..^1], weight.OutFeatures];
        var output = Float8Gemm.Forward(x, w, bias, dtype).to(place?.OutputType ?? dtype).view(shape);
        if (!needsGradient)
        {
            return output.MoveToOuterDisposeScope();
        }

        var goesElsewhere = forWeight && mainGradient is not null;
        var targets = new GradientTargets(dtype, input, weight, bias)
        {
            MainGradient = goesElsewhere ? mainGradient : null,
            Overwrites = isFirstMicrobatch == true,
        };
        LinearGradients gradients = region.Recipe.BackwardOverride switch
        {
            BackwardOverride.None => new QuantizedGradients(
                pass,
                product,
                targets,
                Codes(forWeight, x.ColumnWise),
                Codes(forInput, w.ColumnWise)
            ),
            BackwardOverride.Dequantized => new PlainGradients(
                targets,
                Codes(forWeight, x.RowWise),
                Codes(forInput, w.RowWise)
            ),
            _ => new PlainGradients(
                targets,
                forWeight ? new(rows) : null,
                forInput ? Original(weight, dtype) ?? Codes(true, w.RowWise) : null
            ),
        };
        // A weight with a gradient of its own kind still has to bring backward passes here.
        IReadOnlyList<Tensor> trained = goesElsewhere ? [zeros([], dtype, requires_grad: true)] : weight.Parts;
        return ModuleGradient
            .Attach(output, [input, .. trained, bias], gradients.Backward, gradients)
            .MoveToOuterDisposeScope();
    }

    private static KeptOperand? Codes(bool isNeeded, ScaledMatrix? codes) => isNeeded ? new(codes!) : null;

    // A copy, as the weight may change before the backward pass.
    private static KeptOperand? Original(ProductWeight weight, ScalarType dtype) =>
        weight.Parts.Count == 0 ? null : new(weight.Whole().detach().to(dtype, copy: true));

    // Codes have no dtype of their own, and masters any.
    private static IEnumerable<(string Name, Tensor? Tensor)> Checked(ProductWeight weight) =>
        weight.Primary is null ? weight.Parts.Select(part => (nameof(weight), (Tensor?)part)) : [];
}
