using NBit.TransformerEngine;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Float8;

/// <summary>Block formats both ways, and the three products of a linear layer.</summary>
internal static class BlockSubjects
{
    private static readonly string[] Operands = ["x", "weight", "grad_output"];

    public static Dictionary<string, Tensor> MXFP8(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var matrices = new Dictionary<string, QuantizedOperand>(StringComparer.Ordinal);
        foreach (var name in Operands)
        {
            var source = file.Read(name);
            matrices[name] = Operand(new MXFP8BlockScaling(), name, source);
            Add(computed, $"{name}.rowwise", "scales_e8m0", matrices[name].RowWise!);
            Add(computed, $"{name}.columnwise", "scales_e8m0", matrices[name].ColumnWise!);
        }

        using var tiles = Operand(new MXFP8BlockScaling(enable2DQuantization: true), "weight", file.Read("weight"));
        Add(computed, "weight.2d32x32", "scales_e8m0", tiles.RowWise!);
        using var hybrid = Operand(new MXFP8BlockScaling(Float8Format.Hybrid), "grad_output", file.Read("grad_output"));
        Add(computed, "grad_output.rowwise_e5m2", "scales_e8m0", hybrid.RowWise!);
        AddProducts(computed, "", matrices);
        return computed;
    }

    public static Dictionary<string, Tensor> Float8Blocks(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var isPowerOf2 in new[] { true, false })
        {
            var (prefix, recipe) = (
                isPowerOf2 ? "pow2." : "fp32.",
                new Float8BlockScaling(usePowerOf2Scales: isPowerOf2)
            );
            var matrices = new Dictionary<string, QuantizedOperand>(StringComparer.Ordinal);
            foreach (var name in Operands)
            {
                var source = file.Read(name);
                matrices[name] = Operand(recipe, name, source);
                Add(computed, $"{prefix}{name}.rowwise", "scale_inv", matrices[name].RowWise!);
                using var transposed = Float8Functional.QuantizeFloat8Blocks(
                    source,
                    transpose: true,
                    scaling: name == "weight" ? Scaling.Float8Tiles : Scaling.Float8Rows,
                    powerOf2: isPowerOf2
                );
                Add(computed, $"{prefix}{name}.columnwise_t", "scale_inv", transposed);
            }

            AddProducts(computed, prefix, matrices);
        }

        using var first = Operand(new Float8BlockScaling(amaxEpsilon: 1), "x", file.Read("x").narrow(0, 0, 8));
        Add(computed, "eps1.x8", "scale_inv", first.RowWise!);
        using var hybrid = Operand(
            new Float8BlockScaling(Float8Format.Hybrid),
            "grad_output",
            file.Read("grad_output")
        );
        Add(computed, "pow2.grad_output.rowwise_e5m2", "scale_inv", hybrid.RowWise!);
        return computed;
    }

    public static Dictionary<string, Tensor> NVFP4(Float8File file)
    {
        var computed = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var matrices = new Dictionary<string, QuantizedOperand>(StringComparer.Ordinal);
        var recipe = new NVFP4BlockScaling(disableRandomHadamardTransform: true, disableStochasticRounding: true);
        foreach (var name in Operands)
        {
            matrices[name] = Operand(recipe, name, file.Read(name));
            foreach (
                var (way, matrix) in new[]
                {
                    ("rowwise", matrices[name].RowWise!),
                    ("columnwise_t", matrices[name].ColumnWise!),
                }
            )
            {
                Add(computed, $"{name}.{way}", "scales_e4m3", matrix);
                computed[$"{name}.{way}.packed"] = matrix.Codes.clone();
                computed[$"{name}.{way}.amax"] = matrix.Amax!.clone();
            }
        }

        AddProducts(computed, "", matrices);
        return computed;
    }

    private static QuantizedOperand Operand(Float8Recipe recipe, string name, Tensor source)
    {
        var role = name switch
        {
            "x" => OperandRole.Input,
            "weight" => OperandRole.Weight,
            _ => OperandRole.Gradient,
        };
        return OperandCasts.Quantize(recipe, role, source, rowWise: true, columnWise: true);
    }

    private static void Add(Dictionary<string, Tensor> computed, string name, string scales, ScaledMatrix matrix)
    {
        computed[$"{name}.codes"] = matrix.Codes.clone();
        computed[$"{name}.{scales}"] = matrix.Scales.clone();
        computed[$"{name}.dequant"] = Float8Functional.Dequantize(matrix);
    }

    private static void AddProducts(
        Dictionary<string, Tensor> computed,
        string prefix,
        Dictionary<string, QuantizedOperand> matrices
    )
    {
        using var x = matrices["x"];
        using var weight = matrices["weight"];
        using var gradient = matrices["grad_output"];
        foreach (var (suffix, dtype) in new[] { ("", ScalarType.BFloat16), ("_f32", ScalarType.Float32) })
        {
            computed[$"{prefix}out{suffix}"] = Float8Gemm.Forward(x, weight, bias: null, dtype);
            computed[$"{prefix}grad_input{suffix}"] = Float8Gemm.InputGradient(gradient, weight.ColumnWise!, dtype);
            computed[$"{prefix}grad_weight{suffix}"] = Float8Gemm.WeightGradient(gradient, x.ColumnWise!, dtype);
        }
    }
}
