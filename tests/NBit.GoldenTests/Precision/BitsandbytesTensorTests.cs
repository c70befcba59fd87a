using System.Text.RegularExpressions;
using NBit.GoldenTests.Golden;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>
/// precision/bnb_quantized_and_outputs.safetensors: quantized weights of two models and what the models give.
/// </summary>
public sealed partial class BitsandbytesTensorTests
{
    private const string File = BitsandbytesRecording.Tensors;
    private const int Blocksize = 64;

    private static IEnumerable<TestCaseData> Tensors() =>
        GoldenTensors.Of(File).Names.Select(name => new TestCaseData(name).SetName($"bitsandbytes {name}"));

    [TestCaseSource(nameof(Tensors))]
    public void A_tensor_is_reproduced(string name)
    {
        using var scope = NewDisposeScope();
        var actual =
            name.StartsWith("code.", StringComparison.Ordinal) ? Code(name)
            : name.StartsWith("out.", StringComparison.Ordinal) ? Output(name)
            : Weight(name);
        GoldenAnswer.Of(File, name, BitsandbytesRecording.Readme).Check(actual);
    }

    private static Tensor Code(string name) =>
        name switch
        {
            "code.nf4" => Codebook.NF4.ToTensor(),
            "code.fp4" => Codebook.FP4.ToTensor(),
            "code.dynamic_8bit" => Codebook.DynamicSigned.ToTensor(),
            _ => throw new ArgumentException($"{File} has a code '{name}' that this test does not know"),
        };

    // "out.mlp.nf4.bfloat16.train", "out.mlp.float32_unquantized"
    private static Tensor Output(string name)
    {
        var parts = name.Split('.');
        using var model = BitsandbytesRecording.LoadModel(parts[1]);
        if (parts is [_, var kind, "float32_unquantized"])
        {
            return model.forward(BitsandbytesRecording.Data.Read($"{kind}.x")[0]).detach();
        }

        using var fabric = BitsandbytesForward.MakeFabric(parts[2], parts[3]);
        return BitsandbytesForward.Run(fabric.Setup(model), model, parts[1], parts[4] == "train");
    }

    // "encoder.blocks.0.q.nf4-dq.from_float16.packed"
    private static Tensor Weight(string name)
    {
        var match = WeightName().Match(name);
        Assert.That(match.Success, Is.True, $"{File} has a tensor '{name}' that this test does not know");
        var (mode, part) = (match.Groups["mode"].Value, match.Groups["part"].Value);
        var dtype = DtypeNames.Parse(match.Groups["dtype"].Value);
        var weight = BitsandbytesRecording
            .Data.Read($"{match.Groups["model"].Value}.init.{match.Groups["layer"].Value}.weight")
            .to(dtype);
        if (mode == "int8")
        {
            var rows = Functional.Int8VectorwiseQuantize(weight.to(ScalarType.Float16));
            return part == "CB" ? rows.Codes : rows.RowAbsmax;
        }

        var kind = mode.StartsWith("nf4", StringComparison.Ordinal) ? QuantType.NF4 : QuantType.FP4;
        var nested = mode.EndsWith("-dq", StringComparison.Ordinal);
        var (packed, state) = Functional.Quantize4Bit(weight, kind, Blocksize, nested);
        return part switch
        {
            "packed" => packed,
            "absmax" or "absmax_uint8" => state.Absmax,
            "nested_absmax" => NestedAbsmax(Functional.Quantize4Bit(weight, kind, Blocksize).State.Absmax, name),
            "offset" => state.Offset!.view(1),
            "dequantized" => Functional
                .Dequantize4Bit(packed, nested ? WithRecordedCodes(state, name) : state)
                .to(ScalarType.Float32),
            _ => throw new ArgumentException($"{File} has a part '{part}' that this test does not know"),
        };
    }

    // Given the recorded offset: a last bit of the mean is several of the largest difference from it.
    private static Tensor NestedAbsmax(Tensor absmax, string name) =>
        QuantStates.NestedAbsmax(absmax, GoldenTensors.Of(File).Read($"{Stem(name)}offset").item<float>());

    private static string Stem(string name) => name[..(name.LastIndexOf('.') + 1)];

    // The rules compare dequantized weights "given the codes": the mean's last bits may move a code of absmax.
    private static QuantState WithRecordedCodes(QuantState state, string name)
    {
        var stem = Stem(name);
        var recorded = GoldenTensors.Of(File);
        var codes = GoldenAnswer.Of(File, $"{stem}absmax_uint8", BitsandbytesRecording.Readme);
        return state with
        {
            Absmax = GoldenTensors.Of(codes.File).Read(codes.Tensor),
            Offset = recorded.Read($"{stem}offset").view([]),
            Nested = state.Nested! with { Absmax = recorded.Read($"{stem}nested_absmax") },
        };
    }

    [GeneratedRegex(
        @"^(?<model>\w+)\.(?<layer>.+)\.(?<mode>[^.]+)\.from_(?<dtype>\w+)\.(?<part>\w+)$",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        1000
    )]
    private static partial Regex WeightName();
}
