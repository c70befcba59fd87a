using System.Text.Json;
using NBit.GoldenTests.Golden;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>precision/autocast_ops.json: the dtypes that operators give, in a region and outside of any.</summary>
public sealed class AutocastOperatorTests
{
    private const string File = "precision/autocast_ops.json";
    private const string ModePrefix = "autocast_";

    private static IEnumerable<TestCaseData> Cases() =>
        from entry in GoldenFolder.Json(File).Properties("ops")
        from mode in entry.Value.EnumerateObject()
        where mode.Value.ValueKind == JsonValueKind.Object
        let shapes = entry.Value.Items("input_shapes").Select(Shape).ToArray()
        select new TestCaseData(entry.Name, mode.Name, shapes, mode.Value).SetName(
            $"autocast {entry.Name} | {mode.Name}"
        );

    [TestCaseSource(nameof(Cases))]
    public void Outputs_have_the_recorded_dtypes(string name, string mode, long[][] shapes, JsonElement rows)
    {
        var call = AutocastOperators.Find(name);
        if (call is null)
        {
            Assert.Fail($"{File} has an operator '{name}' that {nameof(AutocastOperators)} does not know");
            return;
        }

        var region = Region(mode);
        using var scope = NewDisposeScope();
        manual_seed(7);
        var inputs = shapes.Select(shape => randn(shape)).ToArray();
        if (AutocastPointwise.Positive.Contains(name))
        {
            inputs = [.. inputs.Select(input => (input.abs() * 0.4) + 0.1)];
        }

        using (Assert.EnterMultipleScope())
        {
            foreach (var row in rows.EnumerateObject())
            {
                var low = region ?? ScalarType.BFloat16;
                var cast = inputs.Select((input, i) => input.to(Dtype(row.Name, i, low)));
                var outcome = AutocastOutcome.Of(call, cast, region);
                var instead = AutocastVersions.Instead(name, mode, row.Name, low);
                Assert.That(
                    outcome.Dtypes,
                    Is.EqualTo(instead ?? Recorded(row.Value)),
                    $"{row.Name} {outcome.Message}"
                );
                if (outcome.Message is not null && instead is null)
                {
                    Assert.That(outcome.Message, Does.StartWith(row.Value.Text("message") ?? ""), row.Name);
                }
            }
        }
    }

    private static string? Recorded(JsonElement row) =>
        row.Get("error") is not null
            ? AutocastOutcome.Failed
            : row.Text("dtype") ?? string.Join(", ", row.Items("dtypes").Select(dtype => dtype.GetString()));

    private static ScalarType? Region(string mode) =>
        mode == "no_autocast" ? null
        : mode.StartsWith(ModePrefix, StringComparison.Ordinal) ? DtypeNames.Parse(mode[ModePrefix.Length..])
        : throw new ArgumentException($"{File} has a mode '{mode}' that this test does not know");

    private static ScalarType Dtype(string row, int input, ScalarType low) =>
        row switch
        {
            "mixed_first_f32_rest_low" => input == 0 ? ScalarType.Float32 : low,
            "mixed_first_low_rest_f32" => input == 0 ? low : ScalarType.Float32,
            _ => DtypeNames.Parse(row),
        };

    private static long[] Shape(JsonElement sizes) => [.. sizes.Numbers().Select(size => (long)size)];
}
