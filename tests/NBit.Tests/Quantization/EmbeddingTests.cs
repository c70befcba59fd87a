using NBit.Quantization;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Quantization;

/// <summary>Embeddings in 4 and 8 bits, against the rows of the whole weight dequantized.</summary>
public sealed class EmbeddingTests : DisposeScopeFixture
{
    private const int Rows = 20;

    private static readonly Dictionary<string, Func<Tensor>> Indices = new(StringComparer.Ordinal)
    {
        ["one"] = () => tensor(3),
        ["list"] = () => tensor((long[])[0, 19, 3, 3]),
        ["matrix"] = () => tensor((long[])[5, 1, 0, 7, 19, 2]).view(2, 3),
        ["int32"] = () => tensor((int[])[5, 1, 0]),
        ["strided"] = () => arange(12).view(3, 4).t(),
        ["none"] = () => empty(0, 2, dtype: ScalarType.Int64),
    };

    private static IEnumerable<string> IndexNames() => Indices.Keys;

    // Rows of 64 are whole blocks and are dequantized alone; those of 50 are not.
    [Test]
    public void A_4_bit_embedding_gives_the_rows_of_its_weight(
        [ValueSource(nameof(IndexNames))] string name,
        [Values(50, 64, 128)] int width,
        [Values] bool compressStatistics,
        [Values(ScalarType.Float32, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        using var layer = new Embedding4bit(
            Rows,
            width,
            QuantType.NF4,
            compressStatistics: compressStatistics,
            dtype: dtype
        );
        var input = Indices[name]();
        var whole = Functional.Dequantize4Bit(layer.weight.detach(), layer.QuantState);
        TensorAssert.Equal(
            layer.forward(input),
            whole.index_select(0, input.reshape(-1)).view([.. input.shape, width])
        );
    }

    [Test]
    public void An_8_bit_embedding_gives_the_rows_of_its_weight(
        [ValueSource(nameof(IndexNames))] string name,
        [Values(ScalarType.Float32, ScalarType.BFloat16)] ScalarType dtype
    )
    {
        using var layer = new Embedding8bit(Rows, 50, dtype);
        var input = Indices[name]();
        var whole = Functional.Int8VectorwiseDequantize(layer.weight.detach(), layer.RowAbsmax, dtype);
        TensorAssert.Equal(layer.forward(input), whole.index_select(0, input.reshape(-1)).view([.. input.shape, 50]));
    }

    [Test]
    public void An_embedding_is_close_to_the_one_it_was_made_of()
    {
        manual_seed(1);
        var embedding = nn.Embedding(Rows, 64);
        using var four = Embedding4bit.FromEmbedding(embedding, QuantType.NF4);
        using var eight = Embedding8bit.FromEmbedding(embedding);
        var input = arange(Rows);
        TensorAssert.Close(four.forward(input), embedding.weight!, 0.16); // half of nf4's widest gap
        TensorAssert.Close(eight.forward(input), embedding.weight!, 0.5 / 127 * 1.1);
        Assert.That((four.weight.requires_grad, eight.weight.requires_grad), Is.EqualTo((false, false)));
    }

    [Test]
    public void A_weight_of_any_storage_dtype_is_taken(
        [Values(ScalarType.BFloat16, ScalarType.Float32)] ScalarType type
    )
    {
        var (packed, state) = Functional.Quantize4Bit(randn(Rows, 64), QuantType.NF4, quantStorage: type);
        var expected = Functional.Dequantize4Bit(packed, state);
        using var layer = Embedding4bit.FromQuantized(packed, state);
        TensorAssert.Equal(layer.forward(arange(Rows)), expected);
    }

    [Test]
    public void A_number_without_a_row_is_refused([Values(-1, Rows)] int index)
    {
        using var four = new Embedding4bit(Rows, 64);
        using var eight = new Embedding8bit(Rows, 64);
        var input = tensor((long[])[index]);
        Assert.That(() => four.forward(input), Throws.Exception.With.Message.Contains("out of range"));
        Assert.That(() => eight.forward(input), Throws.Exception.With.Message.Contains("out of range"));
    }

    private static IEnumerable<TestCaseData> Refused()
    {
        yield return Case("no rows", () => new Embedding4bit(0, 8), "");
        yield return Case("block size", () => new Embedding4bit(8, 8, blocksize: 33), "powers of two");
        yield return Case("float64", () => new Embedding8bit(8, 8, ScalarType.Float64), "Float64");
        yield return Case(
            "float64 rows",
            () => Embedding8bit.FromQuantized(zeros(2, 3, ScalarType.Int8), zeros(2), ScalarType.Float64),
            "the dtype of rows is Float64"
        );
        yield return Case(
            "absmax",
            () => Embedding8bit.FromQuantized(zeros(2, 3, ScalarType.Int8), zeros(3), ScalarType.Float32),
            "it must be Float32 of 2"
        );
        yield return Case(
            "codes",
            () => Embedding8bit.FromQuantized(zeros(2, 3), zeros(2), ScalarType.Float32),
            "it must be Int8"
        );
        yield return Case(
            "one dimension",
            () =>
            {
                var (packed, state) = Functional.Quantize4Bit(ones(64));
                return Embedding4bit.FromQuantized(packed, state);
            },
            "the weight is [64]; a layer's has two dimensions"
        );

        static TestCaseData Case(string name, Func<object> call, string message) =>
            new TestCaseData(call, message).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Refused))]
    public void An_embedding_that_cannot_be_is_refused(Func<object> call, string message)
    {
        var error = Assert.Catch(() => call());
        Assert.That(error!.Message, Does.Contain(message));
    }

    [Test]
    public void Calls_leave_nothing_behind()
    {
        using var four = new Embedding4bit(Rows, 64);
        using var eight = new Embedding8bit(Rows, 64);
        using var input = arange(5);
        using var wrong = arange(Rows, Rows + 5);
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                four.forward(input).Dispose();
                eight.forward(input).Dispose();
                Assert.Catch(() => four.forward(wrong));
                Assert.Catch(() => eight.forward(wrong));
            }
        );
    }
}
