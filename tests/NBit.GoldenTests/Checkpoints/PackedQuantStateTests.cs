using System.Text;
using NBit.Checkpoints;
using NBit.GoldenTests.Golden;

namespace NBit.GoldenTests.Checkpoints;

/// <summary>bitsandbytes/packed_quant_state.json: the JSON in quantized state dicts, byte for byte.</summary>
public sealed class PackedQuantStateTests
{
    private const string File = "bitsandbytes/packed_quant_state.json";

    private static IEnumerable<TestCaseData> States() =>
        GoldenFolder.Json(File) is { ValueKind: System.Text.Json.JsonValueKind.Object } states
            ? states
                .EnumerateObject()
                .Select(state => new TestCaseData(state.Value.GetString()).SetArgDisplayNames(state.Name))
            : [];

    [TestCaseSource(nameof(States))]
    public void A_state_is_written_as_it_was_read(string recorded)
    {
        var state = QuantStateJson.Parse(Encoding.UTF8.GetBytes(recorded));
        Assert.That(Encoding.UTF8.GetString(state.ToBytes()), Is.EqualTo(recorded));
    }
}
