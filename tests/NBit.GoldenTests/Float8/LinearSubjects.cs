using NBit.TransformerEngine;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.GoldenTests.Float8;

/// <summary>Linear layers, step by step.</summary>
internal static class LinearSubjects
{
    /// <summary>linear_delayed_* and linear_current_*: the weight of each step is given.</summary>
    public static Dictionary<string, Tensor> Steps(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        using var layer = MakeLayer(file, "step0.weight", file.Read("bias"), fuses: false);
        for (var step = 0; file.Has($"step{step}.x"); step++)
        {
            var prefix = $"step{step}.";
            Run(file, layer, RecipeOf(file), prefix, isFirstMicrobatch: null, computed);
            computed[prefix + "grad_weight"] = layer.weight.grad!.clone();
            computed[prefix + "grad_bias"] = layer.bias!.grad!.clone();
        }

        return computed;
    }

    /// <summary>linear_microbatch: weights are cached, and their gradients collected in float32.</summary>
    public static Dictionary<string, Tensor> Microbatches(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        using var layer = MakeLayer(file, "micro0.weight", bias: null, fuses: true);
        layer.MainGradient = full(layer.weight.shape, 7, ScalarType.Float32); // to be overwritten
        for (var step = 0; file.Has($"micro{step}.x"); step++)
        {
            var prefix = $"micro{step}.";
            Run(file, layer, RecipeOf(file), prefix, isFirstMicrobatch: step % 2 == 0, computed);
            computed[prefix + "main_grad"] = layer.MainGradient.clone();
            Assert.That(layer.weight.grad, Is.Null);
        }

        return computed;
    }

    public static Float8Recipe RecipeOf(Float8File file)
    {
        var format = file.Text("fp8_format") == "HYBRID" ? Float8Format.Hybrid : Float8Format.E4M3;
        return file.Text("recipe") switch
        {
            "delayed" => new DelayedScaling(
                file.Number("margin", 0),
                format,
                file.Number("amax_history_len", 0),
                file.Text("amax_compute_algo") == "most_recent"
                    ? AmaxComputeAlgorithm.MostRecent
                    : AmaxComputeAlgorithm.Max
            ),
            "current" => new Float8CurrentScaling(format),
            var other => throw new InvalidDataException($"{file.Name} is of a recipe '{other}' that is not known here"),
        };
    }

    private static TE.Linear MakeLayer(Float8File file, string weight, Tensor? bias, bool fuses)
    {
        var like = file.Read(weight);
        var layer = new TE.Linear(
            like.shape[1],
            like.shape[0],
            hasBias: bias is not null,
            dtype: like.dtype,
            fuseWeightGradientAccumulation: fuses
        );
        using var grad = no_grad();
        layer.bias?.copy_(bias!);
        return layer;
    }

    private static void Run(
        Float8File file,
        TE.Linear layer,
        Float8Recipe recipe,
        string prefix,
        bool? isFirstMicrobatch,
        Dictionary<string, Tensor> computed
    )
    {
        using (no_grad())
        {
            layer.weight.copy_(file.Read(prefix + "weight"));
        }

        layer.zero_grad();
        var state = ((IFloat8Module)layer).State;
        var x = file.Read(prefix + "x").requires_grad_();
        var dy = file.Read(prefix + "grad_output");
        var before = (state.Forward?.Clone(), state.Backward?.Clone());
        Tensor y;
        using (NBit.TransformerEngine.Float8.Autocast(recipe))
        {
            y = layer.forward(x, isFirstMicrobatch);
        }

        y.backward([dy]);
        computed[prefix + "out"] = y.detach();
        computed[prefix + "grad_input"] = x.grad!;
        Operand("x_fp8", x.detach(), recipe.ForwardType, before.Item1, slot: 0);
        if (isFirstMicrobatch != false)
        {
            Operand("w_fp8", layer.weight.detach(), recipe.ForwardType, before.Item1, slot: 1);
        }
        else
        {
            foreach (var part in new[] { "codes", "scale", "scale_inv" })
            {
                computed[$"{prefix}w_fp8.{part}"] = part switch
                {
                    "codes" => state.CachedWeight(0)!.RowWise!.Codes.clone(),
                    "scale_inv" => state.CachedWeight(0)!.RowWise!.Scales.clone(),
                    _ => computed[$"{Previous(prefix)}w_fp8.scale"].clone(),
                };
            }
        }

        Operand("grad_output_fp8", dy, recipe.BackwardType, before.Item2, slot: 0);
        if (recipe is DelayedScaling)
        {
            computed[prefix + "after.scale_fwd"] = state.Forward!.Scale.clone();
            computed[prefix + "after.amax_history_fwd"] = state.Forward!.AmaxHistory.clone();
            computed[prefix + "after.scale_bwd"] = state.Backward!.Scale.clone();
            computed[prefix + "after.amax_history_bwd"] = state.Backward!.AmaxHistory.clone();
        }

        // With the scale that the module had; its codes show in the products.
        void Operand(string name, Tensor source, CodeFormat format, DelayedScales? scales, int slot)
        {
            var scale =
                recipe is DelayedScaling
                    ? scales?.Scale.narrow(0, slot, 1).clone() ?? ones(1, ScalarType.Float32)
                    : Float8Functional.ScaleFromAmax(Float8Functional.Amax(source), format).Scale;
            using var matrix = Float8Functional.Quantize(source, format, scale);
            computed[$"{prefix}{name}.codes"] = matrix.Codes.clone();
            computed[$"{prefix}{name}.scale"] = scale;
            computed[$"{prefix}{name}.scale_inv"] = matrix.Scales.clone();
        }
    }

    private static string Previous(string prefix)
    {
        var digits = prefix.AsSpan().TrimStart("micro").TrimEnd('.');
        return $"micro{int.Parse(digits, System.Globalization.CultureInfo.InvariantCulture) - 1}.";
    }
}
