using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>linear8bit.safetensors: LLM.int8() layers, with gradients.</summary>
public static class Linear8bitSubjects
{
    private const string Mode = @"((?<mode>train|eval)\.)?";
    private const string Results = "(?<what>output|grad_input|grad_bias)";
    private const string AllResults = "(?<what>output|grad_(input|bias|weight))";
    private const string BatchedResults = "(?<what>output|grad_input_of_sum)";
    private const string Batched = @"(?<batched>batched3d)\.";

    public static IReadOnlyList<Subject> All { get; } =
    [
        Subject.Input(LinearRun.Inputs),
        Subject.Computed(@"fp16w(?<trainable>[01])\.CB", recorded => Weight(recorded).Codes),
        Subject.Computed(@"fp16w(?<trainable>[01])\.SCB", recorded => Weight(recorded).RowAbsmax),
        Subject.Computed($@"{Subject.ThresholdPart}\.fp16w0\.{Mode}{Subject.DtypePart}\.{Results}", Quantized, Loaded),
        Subject.Computed(
            $@"{Batched}{Subject.ThresholdPart}\.fp16w0\.{Mode}{Subject.DtypePart}\.{BatchedResults}",
            Quantized,
            Loaded
        ),
        Subject.Computed(
            $@"{Subject.ThresholdPart}\.fp16w(?<trainable>1)\.{Mode}{Subject.DtypePart}\.{AllResults}",
            Quantized
        ),
        Subject.Computed(
            $@"derived\.(?<trainable>int8_training)\.{Subject.ThresholdPart}\.{Subject.DtypePart}\.{AllResults}",
            Quantized
        ),
    ];

    private static Tensor Quantized(RecordedCase recorded)
    {
        var trainable = recorded["trainable"].Length > 0;
        var dtype = recorded.Dtype("dtype");
        var layer = recorded.Keep(
            Linear8bitLt.FromLinear(
                LinearRun.Layer(recorded, trainable ? dtype : ScalarType.Float32, dtype),
                trainable,
                recorded.Threshold
            )
        );
        layer.train(recorded["mode"] != "eval");
        if (trainable && recorded["mode"] == "eval")
        {
            layer.weight.requires_grad = false; // as it was recorded
        }

        return LinearRun.Result(recorded, layer, dtype);
    }

    private static Tensor Loaded(RecordedCase recorded)
    {
        var dtype = recorded.Dtype("dtype");
        var layer = recorded.Keep(
            Linear8bitLt.FromQuantized(
                recorded.Read("fp16w0.CB"),
                recorded.Read("fp16w0.SCB"),
                LinearRun.Bias(recorded, dtype),
                recorded.Threshold
            )
        );
        layer.train(recorded["mode"] != "eval");
        return LinearRun.Result(recorded, layer, dtype);
    }

    // A trainable layer keeps no codes: its forward pass makes them of the weight in float16.
    private static (Tensor Codes, Tensor RowAbsmax) Weight(RecordedCase recorded)
    {
        if (recorded.Flag("trainable"))
        {
            var rows = Functional.Int8VectorwiseQuantize(recorded.Read("weight_f32").to(ScalarType.Float16));
            return (rows.Codes, rows.RowAbsmax);
        }

        var layer = recorded.Keep(
            Linear8bitLt.FromLinear(LinearRun.Layer(recorded, ScalarType.Float32, ScalarType.Float32))
        );
        return (layer.weight, layer.RowAbsmax!);
    }
}
