using System.Text.Json;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Golden;

/// <summary>Where nbit-rules.json sends the comparison of a tensor.</summary>
public sealed class GoldenAnswerTests
{
    private static readonly Comparison Readme = Comparison.Close(absolute: 0.125);

    /// <summary>Rules by tensor, and the tensors of the folder's nbit_ file beside them.</summary>
    private static readonly Dictionary<string, string> Rules = new(StringComparer.Ordinal)
    {
        ["own"] = """{"rule": "exact"}""",
        ["left_out"] = """{"rule": "differs"}""",
        ["moved"] = """{"rule": "differs", "instead": "nbit_data"}""",
        ["old.name"] = """{"rule": "differs", "instead": "nbit_data", "replace": [["old.", ""]]}""",
        ["weight"] = """{"rule": "differs", "instead": "nbit_data", "prefix": "nbit.model.", "when": "quantize"}""",
        ["right"] = """{"rule": "differs", "instead": "nbit_data", "otherwise": "value"}""",
        ["lost"] = """{"rule": "differs", "instead": "nbit_data"}""",
        ["nbit.moved"] = """{"rule": "codes", "max_step": 1, "max_fraction": 0.5}""",
        ["nbit.f16.sgd"] = """{"rule": "close", "tensor": "nbit.f16.*", "or_tensor": "nbit.twice.*"}""",
        ["nbit.layer.0.output"] =
            """{"rule": "close", "tensor": "nbit.layer.*.output", "or_tensor": "nbit.layer.*.other"}""",
    };

    private static readonly string[] Held =
    [
        "nbit.moved",
        "nbit.name",
        "nbit.model.weight",
        "nbit.twice.f16.sgd",
        "nbit.layer.0.other",
    ];

    [Test]
    public void Without_a_rule_the_README_decides() => AssertAnswer(Find("anything"), "data", "anything", Readme);

    [Test]
    public void A_rule_comes_before_the_README() => AssertAnswer(Find("own"), "data", "own", Comparison.Exact);

    [Test]
    public void A_tensor_that_differs_is_not_compared() => Assert.That(Find("left_out").NotCompared, Is.Not.Null);

    [Test]
    public void A_tensor_is_compared_with_the_one_that_is_named_instead() =>
        AssertAnswer(Find("moved"), "nbit_data", "nbit.moved", Comparison.Codes(0.5, 1));

    [Test]
    public void Parts_of_the_name_are_replaced() => AssertAnswer(Find("old.name"), "nbit_data", "nbit.name", Readme);

    [Test]
    public void The_prefix_can_be_another() => AssertAnswer(Find("weight"), "nbit_data", "nbit.model.weight", Readme);

    [Test]
    public void Loading_recorded_bytes_is_exact_where_only_quantizing_differs() =>
        AssertAnswer(Find("weight", quantizes: false), "data", "weight", Comparison.Exact);

    [Test]
    public void A_recording_without_a_counterpart_is_right_otherwise() =>
        AssertAnswer(Find("right"), "data", "right", Comparison.Value);

    [Test]
    public void A_missing_counterpart_is_an_error() =>
        Assert.That(() => Find("lost"), Throws.InstanceOf<InvalidDataException>());

    [TestCase("nbit.f16.sgd", "nbit.twice.f16.sgd")]
    [TestCase("nbit.layer.0.output", "nbit.layer.0.other")]
    public void A_second_answer_is_found(string tensor, string second) =>
        Assert.That(Find(tensor).SecondTensor, Is.EqualTo(second));

    [Test]
    public void One_of_two_answers_must_hold_for_the_whole_tensor()
    {
        using var scope = NewDisposeScope();
        var answer = new GoldenAnswer("data", "first", Comparison.Exact, "second");
        Tensor Read(string name) => tensor(name == "first" ? new float[] { 1, 2 } : [3, 4]);
        Assert.That(answer.Difference(tensor(new float[] { 1, 2 }), Read), Is.Null);
        Assert.That(answer.Difference(tensor(new float[] { 3, 4 }), Read), Is.Null);
        Assert.That(answer.Difference(tensor(new float[] { 1, 4 }), Read), Is.Not.Null);
    }

    private static void AssertAnswer(GoldenAnswer answer, string file, string tensor, Comparison comparison)
    {
        Assert.That(answer.NotCompared, Is.Null);
        Assert.That((answer.File, answer.Tensor, answer.Comparison), Is.EqualTo((file, tensor, comparison)));
    }

    private static GoldenAnswer Find(string tensor, bool quantizes = true) =>
        GoldenAnswer.Of("data", tensor, (_, _) => Readme, quantizes, RuleFor, (_, name) => Held.Contains(name));

    private static GoldenRule? RuleFor(string file, string tensor)
    {
        if (!Rules.TryGetValue(tensor, out var rule))
        {
            return null;
        }

        var json = JsonDocument.Parse(rule).RootElement;
        return new(json.Text("rule")!, Design: null, Why: null, json);
    }
}
