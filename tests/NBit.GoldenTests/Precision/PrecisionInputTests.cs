using System.Globalization;
using System.Text.Json;
using NBit.Amp;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using NBit.Testing;
using NBit.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NBit.GoldenTests.Precision;

/// <summary>
/// precision/precision_inputs.json: what each value of precision, and each plugin, means to the Trainer and to Fabric.
/// </summary>
public sealed class PrecisionInputTests
{
    private const string File = "precision/precision_inputs.json";
    private static readonly JsonElement Recorded = GoldenFolder.Json(File);

    private static IEnumerable<TestCaseData> Strings() =>
        from entry in Recorded.Items("strings")
        from owner in (string[])["trainer", "fabric"]
        let value = entry.GetProperty("value").ToString()
        select new TestCaseData(entry, owner).SetName(
            $"precision input {entry.Text("type")} {value} | {entry.Text("accelerator")}, cuda {entry.Get("cuda_present")} | {owner}"
        );

    private static IEnumerable<TestCaseData> Constructors() =>
        Recorded
            .Items("plugin_constructors")
            .Select(entry =>
                new TestCaseData(entry).SetName($"plugin constructor {entry.Text("library")} {entry.Text("call")}")
            );

    private static IEnumerable<TestCaseData> Combinations() =>
        from entry in Recorded.Items("combinations")
        from owner in (string[])["trainer", "fabric"]
        select new TestCaseData(entry, owner).SetName($"combination {entry.Text("case")} | {owner}");

    [TestCaseSource(nameof(Strings))]
    public void A_value_means_what_it_means_to_Lightning(JsonElement entry, string owner)
    {
        var value = entry.GetProperty("value");
        var recorded = entry.Get(owner)!.Value;
        if (entry.Text("type") is not ("str" or "int" or "NoneType"))
        {
            // Python refuses these values when it runs, C# when it compiles.
            Assert.That(recorded.Text("outcome"), Is.EqualTo("error"));
            Assert.That(
                typeof(PrecisionInput)
                    .GetMethods()
                    .Where(method => method.Name == "op_Implicit")
                    .Select(method => method.GetParameters()[0].ParameterType),
                Is.EquivalentTo(new[] { typeof(string), typeof(int) })
            );
            return;
        }

        var rule = GoldenRules.ForJson(File, $"strings/{value}/{owner}");
        if (rule?.Kind == "differs")
        {
            Assert.That(rule.Json.Text("value"), Is.EqualTo("ok")); // NBit needs no package and no GPU
            var made = PrecisionModes.Resolve(value.GetString(), null, DeviceType.CPU, Owner(owner));
            Assert.That(made, Is.InstanceOf<TransformerEnginePrecision>());
            return;
        }

        var cuda = entry.Text("accelerator") != "cpu" && entry.Get("cuda_present")!.Value.GetBoolean();
        using var log = new CapturedLog();
        PrecisionMode mode;
        try
        {
            PrecisionInput input = value.ValueKind == JsonValueKind.Number ? value.GetInt32() : value.GetString();
            mode = PrecisionModes.Resolve(input, null, cuda ? DeviceType.CUDA : DeviceType.CPU, Owner(owner));
        }
        catch (ArgumentException error)
        {
            var hinted = GoldenRules.ForJson(File, $"strings/{value}/{owner}/message")?.Kind == "differs";
            Assert.That(
                error.Message.Contains("plugin: new BitsandbytesPrecision(", StringComparison.Ordinal),
                Is.EqualTo(hinted)
            );
            Outcome.CheckError(recorded, error);
            return;
        }

        AssertMessages(
            log.Warnings,
            recorded
                .Items("warnings")
                .Select(text => text.GetString()!.Replace("UserWarning: ", "", StringComparison.Ordinal))
        );
        AssertMessages(log.Information, recorded.Items("log_info").Select(text => text.GetString()!));
        ModeRecord.Check(recorded, mode, owner == "fabric");
    }

    [TestCaseSource(nameof(Constructors))]
    public void A_plugin_is_made_as_in_Lightning(JsonElement entry)
    {
        var call = entry.Text("call")!;
        var name = call[..call.IndexOf('(', StringComparison.Ordinal)];
        switch (name)
        {
            case "BitsandbytesPrecision" when call.Contains("on a CUDA machine", StringComparison.Ordinal):
                Skip.NoCuda();
                break;
            case "BitsandbytesPrecision"
                when GoldenRules.ForJson(File, $"plugin_constructors/{call}") is { Kind: "differs" } rule:
                Assert.That(rule.Json.Text("value"), Is.EqualTo("ok")); // NBit needs no package
                Assert.That(Bitsandbytes(call).Name, Is.EqualTo("nf4"));
                return;
            case "TransformerEnginePrecision"
                when GoldenRules.ForJson(File, $"plugin_constructors/{call}") is { Kind: "differs" } rule:
                Assert.That(rule.Json.Text("value"), Is.EqualTo("ok")); // NBit needs no package
                Assert.That(new TransformerEnginePrecision(ScalarType.BFloat16).Name, Is.EqualTo("transformer-engine"));
                return;
            case "TransformerEnginePrecision":
                // Without weightsDtype C# does not compile it; arguments by their place are C#'s way.
                Assert.That(entry.Text("error"), Is.EqualTo("TypeError"));
                Assert.That(
                    typeof(TransformerEnginePrecision)
                        .GetConstructors()
                        .Select(constructor => constructor.GetParameters()[0])
                        .Select(parameter => (parameter.Name, parameter.HasDefaultValue)),
                    Is.EqualTo(new[] { ("weightsDtype", false) })
                );
                return;
            case "MixedPrecision" when call.Contains("(16,", StringComparison.Ordinal):
                Assert.That(entry.Text("outcome"), Is.EqualTo("error")); // C# does not compile it
                Assert.That(
                    typeof(MixedPrecision)
                        .GetConstructors()
                        .Select(constructor => constructor.GetParameters()[0].ParameterType),
                    Is.EqualTo(new[] { typeof(string) })
                );
                return;
        }

        Outcome.CheckMode(
            entry,
            () => name == nameof(BitsandbytesPrecision) ? Bitsandbytes(call) : Make(name, Arguments(call)),
            entry.Text("library") == "fabric",
            $"plugin_constructors/{call}"
        );
    }

    [TestCaseSource(nameof(Combinations))]
    public void Precision_and_plugin_combine_as_in_Lightning(JsonElement entry, string owner)
    {
        var name = entry.Text("case")!;
        var recorded = entry.Get(owner)!.Value;
        if (name.Contains("strategy", StringComparison.Ordinal))
        {
            Assert.Ignore("DESIGN 8.12: strategy objects are out of scope");
        }

        switch (name)
        {
            case "plugins=[Precision(), DoublePrecision()]"
            or "plugins=['16-mixed']"
            or "plugins='16-mixed' (a str is iterated)"
            or "plugins=object()":
                // One plugin, of one type: Python refuses others when it runs, C# when it compiles.
                Assert.That(recorded.Text("outcome"), Is.EqualTo("error"));
                Assert.That(PluginTypes(), Is.All.EqualTo(typeof(PrecisionMode)));
                break;
            case "fabric's plugin class given to the Trainer / the Trainer's given to Fabric":
                Assert.That(PluginTypes(), Is.All.EqualTo(typeof(PrecisionMode))); // NBit has one class for both
                break;
            case var _ when GoldenRules.ForJson(File, $"combinations/{name}") is { Kind: "differs" } rule:
                Assert.That(rule.Json.Text("value"), Is.EqualTo("ok")); // allowed on the CPU
                Assert.That(Combine(name, owner).Name, Is.EqualTo(Bitsandbytes(name).Name));
                break;
            default:
                Outcome.CheckMode(
                    recorded,
                    () => Combine(name, owner),
                    owner == "fabric",
                    $"combinations/{name}/{owner}"
                );
                break;
        }
    }

    private static PrecisionMode Combine(string name, string owner)
    {
        PrecisionMode? plugin =
            name.Contains("plugins=DoublePrecision()", StringComparison.Ordinal) ? new DoublePrecision()
            : name.Contains("plugins=Precision()", StringComparison.Ordinal) ? new SinglePrecision()
            : name.Contains("plugins=MixedPrecision('16-mixed','cpu')", StringComparison.Ordinal)
                ? new MixedPrecision("16-mixed", DeviceType.CPU)
            : name.Contains("plugins=BitsandbytesPrecision(", StringComparison.Ordinal) ? Bitsandbytes(name)
            : name == "plugins=[]" ? null
            : throw new ArgumentException($"{File} has a combination '{name}' that this test does not know");
        var quoted = name.Split('\'');
        var given = Array.FindIndex(quoted, part => part.EndsWith("precision=", StringComparison.Ordinal));
        PrecisionInput precision = given >= 0 ? quoted[given + 1] : null;
        var device = name.Contains("accelerator='cuda'", StringComparison.Ordinal) ? DeviceType.CUDA : DeviceType.CPU;
        return PrecisionModes.Resolve(precision, plugin, device, Owner(owner));
    }

    private static string Owner(string recorded) => CultureInfo.InvariantCulture.TextInfo.ToTitleCase(recorded);

    private static IEnumerable<Type> PluginTypes() =>
        typeof(Fabric)
            .GetConstructors()
            .SelectMany(constructor => constructor.GetParameters())
            .Where(parameter => parameter.Name == "plugin")
            .Select(parameter => parameter.ParameterType);

    // "MixedPrecision('16-mixed','cpu', scaler=GradScaler('cpu'))"
    private static string?[] Arguments(string call)
    {
        var inside = call[(call.IndexOf('(', StringComparison.Ordinal) + 1)..call.LastIndexOf(')')];
        return
        [
            .. inside
                .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Select(argument => argument == "None" ? null : argument.Trim('\'')),
        ];
    }

    // "BitsandbytesPrecision(mode='nf4', dtype=None)", "BitsandbytesPrecision('nf4', ignore_modules={'head'})"
    private static BitsandbytesPrecision Bitsandbytes(string call)
    {
        var quoted = call[call.IndexOf(nameof(BitsandbytesPrecision), StringComparison.Ordinal)..].Split('\'');
        var dtype = call.Split("dtype=") is [_, var rest] ? rest.Split(')')[0] : "None";
        return new(
            quoted[1],
            dtype == "None" ? null : DtypeNames.Parse(dtype),
            call.Contains("ignore_modules={", StringComparison.Ordinal) ? [quoted[3]] : []
        );
    }

    private static PrecisionMode Make(string name, string?[] arguments) =>
        name switch
        {
            "Precision" => new SinglePrecision(),
            "DoublePrecision" => new DoublePrecision(),
            "HalfPrecision" => arguments.Length == 0 ? new HalfPrecision() : new HalfPrecision(arguments[0]!),
            "MixedPrecision" => new MixedPrecision(
                arguments[0]!,
                arguments[1] == "cuda" ? DeviceType.CUDA : DeviceType.CPU,
                arguments.Length > 2 ? new GradScaler(DeviceType.CPU) : null
            ),
            _ => throw new ArgumentException($"{File} has a plugin {name} that this test does not know"),
        };

    // The rows with CUDA were recorded with a pretended device; NBit says that there is none here.
    private static void AssertMessages(IEnumerable<string> actual, IEnumerable<string> expected) =>
        Assert.That(
            actual.Where(text => !text.Contains("CUDA is not available", StringComparison.Ordinal)),
            Is.EqualTo(expected)
        );
}
