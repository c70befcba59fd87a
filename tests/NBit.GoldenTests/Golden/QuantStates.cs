using System.Text.Json;
using NBit.Quantization;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Golden;

/// <summary>The JSON that bitsandbytes keeps beside packed weights.</summary>
internal static class QuantStates
{
    private const string Offset = "nested_offset";
    private const double MeanTolerance = 1e-6; // relative; README of the bitsandbytes folder

    /// <summary>Fails unless two states say the same, up to the last bits of the mean of absmax.</summary>
    public static void AssertSame(Tensor expected, Tensor actual)
    {
        var (recorded, own) = (Parse(expected), Parse(actual));
        Assert.That(own.Keys, Is.EqualTo(recorded.Keys));
        foreach (var (key, value) in recorded.Where(entry => entry.Key != Offset))
        {
            Assert.That(own[key].ToString(), Is.EqualTo(value.ToString()), key);
        }

        if (recorded.TryGetValue(Offset, out var mean))
        {
            Assert.That(own[Offset].GetDouble(), Is.EqualTo(mean.GetDouble()).Within(MeanTolerance * mean.GetDouble()));
        }
    }

    /// <summary>The absmax of absmax less the mean that a state has: with the mean given, they are exact.</summary>
    public static Tensor NestedAbsmax(Tensor absmax, Tensor state) =>
        NestedAbsmax(absmax, (float)Parse(state)[Offset].GetDouble());

    public static Tensor NestedAbsmax(Tensor absmax, float offset) =>
        Functional.QuantizeBlockwise(absmax - offset, Codebook.DynamicSigned, QuantState.NestedBlocksize).State.Absmax;

    private static Dictionary<string, JsonElement> Parse(Tensor state) =>
        JsonDocument
            .Parse(state.data<byte>().ToArray())
            .RootElement.EnumerateObject()
            .ToDictionary(entry => entry.Name, entry => entry.Value, StringComparer.Ordinal);
}
