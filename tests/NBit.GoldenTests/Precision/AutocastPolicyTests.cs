using System.Text.Json;
using NBit.GoldenTests.Golden;
using NBit.Testing;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>precision/autocast_ops.json: the overloads that autocast knows, and what each casts to.</summary>
public sealed class AutocastPolicyTests
{
    private const string File = "precision/autocast_ops.json";
    private const ScalarType Low = ScalarType.BFloat16,
        Full = ScalarType.Float32;

    private static readonly JsonElement Recorded = GoldenFolder.Json(File);

    // Of libtorch 2.10; later versions have no named dimensions.
    private static readonly string[] NamedDimensions = ["index_copy.dimname", "prod.dim_Dimname"];

    private static IEnumerable<TestCaseData> Cases() =>
        from policy in Recorded.Properties("registered_policies")
        from overload in policy.Value.EnumerateArray()
        let name = overload.GetString()
        select new TestCaseData(name, policy.Name).SetName($"autocast policy {name} | {policy.Name}");

    [TestCaseSource(nameof(Cases))]
    public void An_overload_casts_as_recorded(string name, string policy)
    {
        var overload = AutocastOverloads.Find(name);
        if (overload is null)
        {
            Assert.Fail($"{File} has an overload '{name}' that {nameof(AutocastOverloads)} does not know");
            return;
        }

        using var scope = NewDisposeScope();
        manual_seed(7);
        var inputs = overload.Shapes.Select(shape => randn(shape)).ToArray();
        string Outside(ScalarType dtype) =>
            AutocastOutcome.Of(overload.Call, inputs.Select(input => input.to(dtype)), region: null).Dtypes;
        string Inside(ScalarType first, ScalarType rest) =>
            AutocastOutcome
                .Of(overload.Call, inputs.Select((input, i) => input.to(i == 0 ? first : rest)), region: Low)
                .Dtypes;

        Assert.That(Outside(Full), Is.Not.EqualTo(Outside(Low)), "a cast can be seen");
        using (Assert.EnterMultipleScope())
        {
            switch (policy)
            {
                case "lower_precision":
                    Assert.That(Inside(Full, Full), Is.EqualTo(Outside(Low)), "float32 inputs");
                    Assert.That(Inside(Full, Low), Is.EqualTo(Outside(Low)), "one float32 input");
                    break;
                case "fp32":
                    Assert.That(Inside(Low, Low), Is.EqualTo(Outside(Full)), "bfloat16 inputs");
                    Assert.That(Inside(Low, Full), Is.EqualTo(Outside(Full)), "one bfloat16 input");
                    break;
                case "promote_to_widest":
                    Assert.That(Inside(Low, Low), Is.EqualTo(Outside(Low)), "bfloat16 inputs");
                    Assert.That(Inside(Low, Full), Is.EqualTo(Outside(Full)), "one bfloat16 input");
                    Assert.That(Inside(Full, Low), Is.EqualTo(Outside(Full)), "one float32 input");
                    break;
                default:
                    Assert.Fail($"{File} has a policy '{policy}' that this test does not know");
                    break;
            }
        }
    }

    [Test]
    [Platform("Linux", Reason = "the list is read through libtorch's C++ interface, as gcc lays it out")]
    public void Autocast_knows_the_recorded_overloads()
    {
        var recorded = Recorded
            .Properties("registered_policies")
            .SelectMany(policy => policy.Value.EnumerateArray())
            .Select(overload => $"aten::{overload.GetString()}");
        if (!recorded.Any())
        {
            Assert.Ignore($"{File} is not in {GoldenFolder.Root}");
        }

        Assert.That(
            OperatorRegistry.WithKernelFor("AutocastCPU"),
            Is.EquivalentTo(recorded.Concat(NamedDimensions.Select(overload => $"aten::{overload}")))
        );
    }
}
