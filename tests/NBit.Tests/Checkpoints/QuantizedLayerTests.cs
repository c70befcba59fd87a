using System.Text;
using NBit.Checkpoints;
using static TorchSharp.torch;

namespace NBit.Tests.Checkpoints;

/// <summary>Quantized layers are known by the names of their tensors.</summary>
public sealed class QuantizedLayerTests
{
    private const string State = """{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [3, 5]}""";

    private static readonly string[] Plain = ["absmax", "quant_map"];
    private static readonly string[] Nested = [.. Plain, "nested_absmax", "nested_quant_map"];

    [Test]
    public void A_4_bit_layer_has_the_shape_of_its_state([Values] bool nested, [Values("nf4", "fp4")] string type)
    {
        using var scope = NewDisposeScope();
        var layer = QuantizedLayer
            .Find(
                Source([
                    ("a.bias", zeros(3)),
                    ("a.weight", zeros(8, 1, uint8)),
                    ($"a.weight.quant_state.bitsandbytes__{type}", Text(State)),
                    .. (nested ? Nested : Plain).Select(key => ($"a.weight.{key}", zeros(2))),
                ])
            )
            .Single();

        Assert.That(layer.Name, Is.EqualTo("a"));
        Assert.That(layer.Format, Is.EqualTo(nested ? $"{type}-dq" : type));
        Assert.That(layer.Shape, Is.EqualTo(new long[] { 3, 5 }));
        Assert.That(layer.ElementCount, Is.EqualTo(15));
        Assert.That(layer.ByteCount, Is.EqualTo(8 + State.Length + (nested ? 32 : 16)));
        Assert.That(layer.Tensors[0].Name, Is.EqualTo("a.weight"));
    }

    [Test]
    public void An_8_bit_layer_has_the_shape_of_its_weight([Values] bool format)
    {
        using var scope = NewDisposeScope();
        (string, Tensor)[] optional = format ? [("a.weight_format", zeros([], uint8))] : [];
        var layer = QuantizedLayer
            .Find(Source([("a.weight", zeros(3, 5, int8)), ("a.SCB", zeros(3)), .. optional]))
            .Single();

        Assert.That((layer.Name, layer.Format), Is.EqualTo(("a", "int8")));
        Assert.That(layer.Shape, Is.EqualTo(new long[] { 3, 5 }));
        Assert.That(layer.ByteCount, Is.EqualTo(15 + 12 + (format ? 1 : 0)));
    }

    private static IEnumerable<TestCaseData> Malformed()
    {
        yield return Case("no weight", "no 'a.weight'", ("a.SCB", () => zeros(3)));
        yield return Case("float", "it must be I8", ("a.SCB", () => zeros(3)), ("a.weight", () => zeros(3, 5)));
        yield return State4("JSON", "{", 8);
        yield return State4("no shape", "{}", 8);
        yield return State4("text", """{"shape":"x"}""", 8);
        yield return State4("too large", """{"shape":[3,5,99999999999999]}""", 8, "the state's shape");
        yield return State4("not its weight's", """{"shape":[3,5]}""", 7, "holds 14 elements");
        yield return State4("negative", """{"shape":[-3,-5]}""", 1, "the state's shape");
        yield return State4("fraction", """{"shape":[1.5]}""", 1);

        static TestCaseData Case(string name, string expected, params (string, Func<Tensor>)[] tensors) =>
            new TestCaseData(expected, tensors).SetArgDisplayNames(name);

        static TestCaseData State4(string name, string json, int bytes, string expected = "no quantization state") =>
            Case(
                name,
                expected,
                ("a.weight", () => zeros(bytes, 1, uint8)),
                ("a.weight.quant_state.bitsandbytes__nf4", () => Text(json))
            );
    }

    [TestCaseSource(nameof(Malformed))]
    public void A_layer_that_is_not_whole_is_refused(string expected, (string Name, Func<Tensor> Create)[] tensors)
    {
        using var scope = NewDisposeScope();
        using var source = Source(tensors.Select(entry => (entry.Name, entry.Create())));

        var error = Assert.Throws<SafetensorsFormatException>(() => QuantizedLayer.Find(source));
        Assert.That(error!.Message, Does.StartWith("tensor 'a.").And.Contain(expected));
    }

    private static Tensor Text(string text) => tensor(Encoding.UTF8.GetBytes(text));

    private static SafetensorsReader Source(IEnumerable<(string, Tensor)> tensors)
    {
        var stream = new MemoryStream();
        SafetensorsWriter.Write(stream, tensors);
        return SafetensorsReader.Open(stream);
    }
}
