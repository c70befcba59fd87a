using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.GoldenTests.Float8;

/// <summary>layernorm_linear_*, rmsnorm_linear_* and layernorm_mlp_*: whole modules, step by step.</summary>
internal static class ModuleSubjects
{
    public static Dictionary<string, Tensor> Linear(Float8File file)
    {
        var weight = file.Read("weight");
        using var module = new TE.LayerNormLinear(weight.shape[1], weight.shape[0], Options(file, weight.dtype));
        return Steps(file, module, products: 1);
    }

    public static Dictionary<string, Tensor> MLP(Float8File file)
    {
        var weight = file.Read("fc1_weight");
        using var module = new TE.LayerNormMLP(weight.shape[1], weight.shape[0], options: Options(file, weight.dtype));
        return Steps(file, module, products: 2);
    }

    private static TE.LayerNormModuleOptions Options(Float8File file, ScalarType dtype) =>
        new()
        {
            Eps = file.Real("eps"),
            Normalization = Enum.Parse<NormalizationKind>(file.Text("normalization")),
            DataType = dtype,
        };

    private static Dictionary<string, Tensor> Steps(Float8File file, TE.LayerNormModule module, int products)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        using (no_grad())
        {
            foreach (var (name, parameter) in module.named_parameters())
            {
                parameter.copy_(file.Read(name));
            }
        }

        for (var step = 0; file.Has($"step{step}.x"); step++)
        {
            new Step(file, module, products, $"step{step}.", computed).Run();
        }

        return computed;
    }

    /// <summary>A step of a module; products are linear layers.</summary>
    private sealed class Step(
        Float8File file,
        TE.LayerNormModule module,
        int products,
        string prefix,
        Dictionary<string, Tensor> computed
    )
    {
        private readonly Float8Recipe _recipe = LinearSubjects.RecipeOf(file);
        private readonly Float8State _state = ((IFloat8Module)module).State;

        public void Run()
        {
            using var watch = new OperandWatch();
            module.zero_grad();
            var (x, dy) = (file.Read(prefix + "x").requires_grad_(), file.Read(prefix + "grad_output"));
            var (forward, backward) = (_state.Forward?.Clone(), _state.Backward?.Clone());
            Tensor y;
            using (NBit.TransformerEngine.Float8.Autocast(_recipe))
            {
                y = module.forward(x);
            }

            y.backward([dy]);
            computed[prefix + "out"] = y.detach();
            computed[prefix + "grad_input"] = x.grad!;
            foreach (var (name, parameter) in module.named_parameters())
            {
                computed[prefix + GradientName(name)] = parameter.grad!;
            }

            AddStatistics(x.detach());
            AddOperand(watch, "ln_out_fp8", OperandRole.Input, 0, forward, slot: 0);
            AddOperand(watch, "w1_fp8", OperandRole.Weight, 0, forward, slot: 1);
            AddOperand(watch, "grad_output_fp8", OperandRole.Gradient, products - 1, backward, (products - 1) * 2);
            if (products == 2)
            {
                AddOperand(watch, "act_fp8", OperandRole.Input, 1, forward, slot: 3);
                AddOperand(watch, "w2_fp8", OperandRole.Weight, 1, forward, slot: 4);
                AddOperand(watch, "dact_fp8", OperandRole.Gradient, 0, backward, slot: 0);
                computed[prefix + "fc1_out"] = Product(watch, y.dtype);
                computed[prefix + "fc2_dgrad"] = InputGradient(watch, product: 1, y.dtype);
            }

            computed[prefix + "ln_out_grad"] = InputGradient(watch, product: 0, y.dtype);
            AddState();
        }

        private static string GradientName(string parameter) =>
            parameter.StartsWith("layer_norm", StringComparison.Ordinal) ? parameter + "_grad"
            : parameter.StartsWith("fc", StringComparison.Ordinal) ? $"{parameter[..3]}_grad{parameter[3..]}"
            : "grad_" + parameter;

        private void AddStatistics(Tensor x)
        {
            var settings = new NormalizationSettings(module.Normalization, module.Eps, module.ZeroCenteredGamma);
            var (_, statistics) = Normalization.Compute(settings, x, module.LayerNormWeight.detach(), bias: null);
            computed[prefix + "rsigma"] = statistics.InverseDeviation.view(-1);
            if (statistics.Mean is { } mean)
            {
                computed[prefix + "mu"] = mean.view(-1);
            }
        }

        // What the module cast, with the scale that it had.
        private void AddOperand(
            OperandWatch watch,
            string name,
            OperandRole role,
            int product,
            DelayedScales? scales,
            int slot
        )
        {
            var operand = watch.Newest(role, product);
            var matrix = operand.RowWise ?? operand.ColumnWise!;
            computed[$"{prefix}{name}.codes"] = matrix.Codes.clone();
            computed[$"{prefix}{name}.scale_inv"] = matrix.Scales.clone();
            computed[$"{prefix}{name}.scale"] =
                _recipe is DelayedScaling ? scales?.Scale.narrow(0, slot, 1).clone() ?? ones(1, ScalarType.Float32)
                : Source(role, product) is { } source
                    ? Float8Functional.ScaleFromAmax(Float8Functional.Amax(source), matrix.Format).Scale
                : matrix.Scales.reciprocal();
        }

        private Tensor? Source(OperandRole role, int product) =>
            role switch
            {
                OperandRole.Weight => module
                    .get_parameter(products == 1 ? "weight" : $"fc{product + 1}_weight")!
                    .detach(),
                OperandRole.Gradient when product == products - 1 => file.Read(prefix + "grad_output"),
                _ => null, // computed in the module
            };

        private Tensor Product(OperandWatch watch, ScalarType dtype) =>
            Float8Gemm.Forward(
                watch.Newest(OperandRole.Input, 0),
                watch.Newest(OperandRole.Weight, 0),
                module.get_parameter("fc1_bias"),
                dtype
            );

        private static Tensor InputGradient(OperandWatch watch, int product, ScalarType dtype) =>
            Float8Gemm.InputGradient(
                watch.Newest(OperandRole.Gradient, product),
                watch.Newest(OperandRole.Weight, product).ColumnWise!,
                dtype
            );

        private void AddState()
        {
            if (_recipe is not DelayedScaling)
            {
                return;
            }

            computed[prefix + "after.scale_fwd"] = _state.Forward!.Scale.clone();
            computed[prefix + "after.amax_history_fwd"] = _state.Forward!.AmaxHistory.clone();
            computed[prefix + "after.scale_bwd"] = _state.Backward!.Scale.clone();
            computed[prefix + "after.amax_history_bwd"] = _state.Backward!.AmaxHistory.clone();
        }
    }
}
