using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Bitsandbytes;

/// <summary>linear4bit.safetensors: 4-bit layers, with gradients.</summary>
public static class Linear4bitSubjects
{
    /// <summary>Linear4bit's default in bitsandbytes, of which the names give no other.</summary>
    public const int Blocksize = 64;

    private const string Results = "(?<what>output|grad_input|grad_bias|infer_row0|infer_3d)";
    private const string Weight = $@"(?<bytes>{Subject.KindPart}\.dq(?<double>[01]))";

    public static IReadOnlyList<Subject> All { get; } =
    [
        Subject.Input(LinearRun.Inputs),
        Subject.Computed($@"{Weight}\.packed", recorded => Quantize(recorded).weight),
        Subject.Computed($@"{Weight}\.absmax", recorded => Quantize(recorded).QuantState.Absmax),
        Subject.Computed($@"{Weight}\.offset", recorded => Quantize(recorded).QuantState.Offset!.reshape(1)),
        Subject.Computed(
            $@"{Weight}\.nested_absmax",
            recorded => QuantizeWithRecordedOffset(recorded).QuantState.Nested!.Absmax
        ),
        Subject.Computed(
            $@"{Weight}\.dequant_f32",
            recorded => QuantizeWithRecordedOffset(recorded).Dequantize(ScalarType.Float32),
            recorded => Load(recorded).Dequantize(ScalarType.Float32)
        ),
        Subject.Computed(
            $@"{Weight}\.compute_(?<compute>f32|bf16|f16)\.input_{Subject.DtypePart}\.{Results}",
            recorded => LinearRun.Result(recorded, QuantizeWithRecordedOffset(recorded), recorded.Dtype("dtype")),
            recorded => LinearRun.Result(recorded, Load(recorded), recorded.Dtype("dtype"))
        ),
        Subject.LeftOut($@"{Weight}\.avx512bf16_eval\.compute_f32\.output"),
        Subject.Computed(
            $@"matmul_4bit\.{Subject.KindPart}\.(?<rows>row0|all)\.(?<bias>bias|nobias)",
            recorded =>
            {
                var (packed, state) = Functional.Quantize4Bit(recorded.Read("weight_f32"), recorded.Kind, Blocksize);
                var bias = recorded["bias"] == "bias" ? LinearRun.Bias(recorded, ScalarType.Float32) : null;
                var x = recorded.Read("input_f32");
                return recorded
                    .Keep(Linear4bit.FromQuantized(packed, state, bias))
                    .forward(recorded["rows"] == "row0" ? x.narrow(0, 0, 1) : x)
                    .detach();
            }
        ),
    ];

    /// <summary>NBit's own quantization of the recorded layer.</summary>
    private static Linear4bit Quantize(RecordedCase recorded) =>
        recorded.Keep(
            Linear4bit.FromLinear(
                LinearRun.Layer(recorded, ScalarType.Float32, Compute(recorded)),
                Compute(recorded),
                recorded.Flag("double"),
                recorded.Kind,
                Blocksize
            )
        );

    // With double quantization, codes depend on the last bits of the mean: outputs are compared with those of the
    // recorded mean.
    private static Linear4bit QuantizeWithRecordedOffset(RecordedCase recorded)
    {
        if (!recorded.Flag("double"))
        {
            return Quantize(recorded);
        }

        var (packed, state) = Functional.Quantize4Bit(recorded.Read("weight_f32"), recorded.Kind, Blocksize);
        var offset = recorded.Read($"{recorded["bytes"]}.offset");
        var (codes, nested) = DoubleQuantizationSubjects.QuantizeAbsmax(state.Absmax, offset);
        return recorded.Keep(
            Linear4bit.FromQuantized(
                packed,
                state with
                {
                    Absmax = codes,
                    Nested = nested,
                    Offset = offset,
                },
                LinearRun.Bias(recorded, Compute(recorded)),
                Compute(recorded)
            )
        );
    }

    private static Linear4bit Load(RecordedCase recorded)
    {
        var absmax = Bytes(recorded, "absmax");
        var state = new QuantState
        {
            Absmax = absmax,
            Code = Codebook.OfType(recorded.Kind),
            Blocksize = Blocksize,
            DataType = ScalarType.Float32,
            Shape = recorded.Read("weight_f32").shape,
            QuantType = recorded.Kind,
        };
        if (recorded.Flag("double"))
        {
            state = state with
            {
                Offset = Bytes(recorded, "offset"),
                Nested = new()
                {
                    Absmax = Bytes(recorded, "nested_absmax"),
                    Code = Codebook.DynamicSigned,
                    Blocksize = QuantState.NestedBlocksize,
                    DataType = ScalarType.Float32,
                    Shape = absmax.shape,
                },
            };
        }

        return recorded.Keep(
            Linear4bit.FromQuantized(
                Bytes(recorded, "packed"),
                state,
                LinearRun.Bias(recorded, Compute(recorded)),
                Compute(recorded)
            )
        );
    }

    // bitsandbytes turns the bias into the compute dtype, in which its gradient is recorded.
    private static ScalarType Compute(RecordedCase recorded) =>
        recorded["compute"].Length > 0 ? recorded.Dtype("compute") : ScalarType.Float32;

    private static Tensor Bytes(RecordedCase recorded, string member) =>
        recorded.ReadBytes($"{recorded["bytes"]}.{member}");
}
