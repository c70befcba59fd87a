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
        Tensor weight,
        Tensor? bias,
        bool? isFirstMicrobatch = null,
        Tensor? mainGradient = null,
        ProductPlace? place = null
    )
    {
        var product = place?.Product ?? 0;
        if (Float8Region.Current is not { Enabled: true })
        {
            Float8Pass.Calibrate(state, product, input, weight);
            return null;
        }

        Float8Operands.CheckFeatures(input, weight.shape[1]);
        var dtype =
            place?.Dtype ?? Float8Operands.ActivationType(input, (nameof(weight), weight), (nameof(bias), bias));
        using var scope = NewDisposeScope();
        var grad = is_grad_enabled();
        var (forInput, forWeight) = (grad && input.requires_grad, grad && weight.requires_grad);
        var needsGradient = forInput || forWeight || (grad && bias is { requires_grad: true });
        var pass = Float8Pass.Begin(state, needsGradient)!;
        var rows = Float8Operands.Rows(input, place is null ? dtype : input.dtype);
        using var x = pass.QuantizeInput(product, rows, place?.InputAmax);
        using var w = pass.QuantizeWeight(product, weight, isFirstMicrobatch);
        long[] shape = [.. input.shape[..^1], weight.shape[0]];
        var output = Float8Gemm.Forward(x, w, bias, dtype).to(place?.OutputType ?? dtype).view(shape);
        if (!needsGradient)
        {
            return output.MoveToOuterDisposeScope();
        }

        var kept = new KeptMatrices();
        var layer = new Layer(pass, product, dtype, input, weight, bias)
        {
            Input = forWeight ? kept.Add(x.ColumnWise!) : null,
            Weight = forInput ? kept.Add(w.ColumnWise!) : null,
            MainGradient = mainGradient,
            Overwrites = isFirstMicrobatch == true,
        };
        // A weight with a gradient of its own kind still has to bring backward passes here.
        var trained = forWeight && mainGradient is not null ? zeros([], dtype, requires_grad: true) : weight;
        return ModuleGradient.Attach(output, [input, trained, bias], layer.Backward, kept).MoveToOuterDisposeScope();
    }

    /// <summary>What the gradients are made from.</summary>
    private sealed class Layer(
        Float8Pass pass,
        int product,
        ScalarType dtype,
        Tensor input,
        Tensor weight,
        Tensor? bias
    )
    {
        // Not the tensors themselves: they would live as long as the graph does.
        private readonly long[] _inputShape = input.shape;
        private readonly ScalarType _inputType = input.dtype;
        private readonly ScalarType _weightType = weight.dtype;
        private readonly ScalarType? _biasType = bias is { requires_grad: true } ? bias.dtype : null;

        public ScaledMatrix? Input { get; init; }

        public ScaledMatrix? Weight { get; init; }

        public Tensor? MainGradient { get; init; }

        public bool Overwrites { get; init; }

        public Tensor?[] Backward(Tensor gradient)
        {
            var rows = gradient.reshape(-1, gradient.shape[^1]);
            using var dy = pass.QuantizeGradient(product, rows, Weight is not null, Input is not null);
            pass.EndBackward();
            return
            [
                Weight is null ? null : Float8Gemm.InputGradient(dy, Weight, dtype).view(_inputShape).to(_inputType),
                Input is null ? null : WeightGradient(dy, Input),
                _biasType is null ? null : rows.sum([0]).to(_biasType.Value),
            ];
        }

        private Tensor WeightGradient(QuantizedOperand dy, ScaledMatrix x)
        {
            if (MainGradient is null)
            {
                return Float8Gemm.WeightGradient(dy, x, dtype).to(_weightType);
            }

            Float8Gemm.WeightGradient(dy, x, MainGradient, accumulates: !Overwrites);
            return zeros([], dtype);
        }
    }
}
