using System.Text.Json;
using NBit.GoldenTests.Golden;
using NBit.Precision;
using NBit.Testing;
using NBit.TransformerEngine;
using TorchSharp;
using static TorchSharp.torch;
using TE = NBit.TransformerEngine.Modules;

namespace NBit.GoldenTests.Precision;

/// <summary>transformer_engine_stub of precision_inputs.json: what Lightning's plugin does to models and tensors.</summary>
public sealed class TransformerEngineStubTests
{
    private const string File = "precision/precision_inputs.json";

    /// <summary>The layers of the recorded model, by class; those of "sub" are inside another module.</summary>
    private static readonly Dictionary<string, Func<nn.Module<Tensor, Tensor>>> Layers = new(StringComparer.Ordinal)
    {
        ["l1"] = () => nn.Linear(16, 32),
        ["bad_out"] = () => nn.Linear(16, 10),
        ["bad_in"] = () => nn.Linear(7, 16),
        ["ln"] = () => nn.LayerNorm(16),
        ["ln_nobias"] = () => nn.LayerNorm(16, bias: false),
        ["emb"] = () => nn.Embedding(4, 16),
        ["sub.l"] = () => nn.Linear(3, 3),
        ["sub.ok"] = () => nn.Linear(8, 16, hasBias: false),
        ["conv"] = () => nn.Conv1d(4, 4, 1),
    };

    private static IEnumerable<TestCaseData> Entries(string prefix) =>
        GoldenFolder
            .Json(File)
            .Properties("transformer_engine_stub")
            .Where(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal))
            .Select(entry => new TestCaseData(entry.Name, entry.Value).SetName($"transformer engine {entry.Name}"));

    [TestCaseSource(nameof(Entries), new object[] { "convert_module " })]
    public void A_model_is_converted_as_recorded_but_whatever_the_size(string name, JsonElement recorded)
    {
        using var scope = NewDisposeScope();
        var expected = recorded.Properties("layers").ToList();
        var sub = nn.Sequential(
            expected
                .Where(layer => layer.Name.StartsWith("sub.", StringComparison.Ordinal))
                .Select(layer => (layer.Name[4..], Layers[layer.Name]()))
                .ToArray()
        );
        using var model = nn.Sequential(
            expected
                .Where(layer => !layer.Name.Contains('.', StringComparison.Ordinal))
                .Select(layer => (layer.Name, Layers[layer.Name]()))
                .Append(("sub", sub))
                .ToArray()
        );
        using var log = new CapturedLog();
        new TransformerEnginePrecision(
            name.Contains("weights_dtype=bfloat16", StringComparison.Ordinal) ? ScalarType.BFloat16
                : name.Contains("weights_dtype=float16", StringComparison.Ordinal) ? ScalarType.Float16
                : ScalarType.Float32,
            replaceLayers: name.Contains("replace_layers=None", StringComparison.Ordinal)
                ? null
                : name.Contains("replace_layers=True", StringComparison.Ordinal)
        ).ConvertModule(model);
        foreach (var (layer, module) in model.named_modules().Where(entry => Layers.ContainsKey(entry.name)))
        {
            var entry = expected.Single(candidate => candidate.Name == layer).Value;
            var rule = GoldenRules.ForJson(File, $"transformer_engine_stub/{name}/layers/{layer}");
            var kind = rule?.Kind == "differs" ? rule.Json.Text("value")! : entry.Text("class")!;
            Assert.That(Float8States.Of(module) is not null, Is.EqualTo(kind == "te.Linear"), layer);
            var weight = module.named_parameters().Single(parameter => parameter.name == "weight").parameter;
            Assert.That(weight.dtype.Name(), Is.EqualTo(entry.Text("weight_dtype")), layer);
        }

        Assert.That(log.Warnings, Is.Empty, "no layer is left out");
    }

    [TestCaseSource(nameof(Entries), new object[] { "module_init_context " })]
    public void New_modules_are_of_TorchSharp_and_get_the_dtype(string name, JsonElement recorded)
    {
        using var context = new TransformerEnginePrecision(ScalarType.BFloat16).ModuleInitContext();
        Assert.That(get_default_dtype().Name(), Is.EqualTo(recorded.Text("default_dtype")), name);
    }

    // nbit-rules.json says "refused"; but that a model with such modules is left as it is, as recorded, is what makes
    // a mode fit to models that were written for Float8.Autocast.
    [TestCaseSource(nameof(Entries), new object[] { "model already has a TE layer" })]
    public void A_model_with_layers_of_its_own_is_left_as_it_is(string name, JsonElement recorded)
    {
        using var model = nn.Sequential(("0", new TE.Linear(16, 16)), ("1", nn.Linear(16, 16)));
        using var log = new CapturedLog();
        new TransformerEnginePrecision(
            ScalarType.BFloat16,
            replaceLayers: name.EndsWith("True", StringComparison.Ordinal)
        ).ConvertModule(model);
        foreach (var layer in recorded.Properties("layers"))
        {
            var module = model.named_modules().Single(entry => entry.name == layer.Name).module;
            Assert.That(Float8States.Of(module) is not null, Is.EqualTo(layer.Value.Text("class") == "te.Linear"));
            Assert.That(
                module.parameters().Select(parameter => parameter.dtype.Name()),
                Is.All.EqualTo(layer.Value.Text("weight_dtype"))
            );
        }

        Assert.That(log.Information, Is.EqualTo(recorded.Items("log_info").Select(text => text.GetString())));
    }

    [TestCaseSource(nameof(Entries), new object[] { "recipe=" })]
    public void A_recipe_in_a_dictionary_is_read_or_refused(string name, JsonElement recorded)
    {
        var isDictionary = name.StartsWith("recipe={", StringComparison.Ordinal);
        var json = name["recipe=".Length..].Replace('\'', '"');
        Func<Float8Recipe?> make =
            isDictionary
                ? () =>
                    Float8Recipe.FromDictionary(
                        JsonDocument
                            .Parse(json)
                            .RootElement.EnumerateObject()
                            .ToDictionary(entry => entry.Name, entry => (object)entry.Value, StringComparer.Ordinal)
                    )
            : name == "recipe=None" ? () => null
            : () => new DelayedScaling(margin: 2);
        if (recorded.Text("outcome") != "ok")
        {
            Assert.That(make, Throws.ArgumentException);
            return;
        }

        Check(recorded, new TransformerEnginePrecision(ScalarType.Float16, make()));
        Assert.That(recorded.Get("DelayedScaling_calls") is null || make() is null or DelayedScaling, Is.True);
    }

    [TestCaseSource(nameof(Entries), new object[] { "fallback_compute_dtype=" })]
    public void Another_dtype_for_other_operations_can_be_chosen(string name, JsonElement recorded) =>
        Check(
            recorded,
            new TransformerEnginePrecision(
                ScalarType.Float16,
                fallbackComputeDtype: name.EndsWith("=float32", StringComparison.Ordinal)
                    ? ScalarType.Float32
                    : ScalarType.BFloat16
            )
        );

    [TestCaseSource(nameof(Entries), new object[] { "precision=" })]
    public void A_string_makes_the_recorded_plugin(string name, JsonElement recorded)
    {
        foreach (var owner in recorded.EnumerateObject())
        {
            var mode = PrecisionModes.Create(name["precision=".Length..].Trim('\''), DeviceType.CPU);
            Check(owner.Value, (TransformerEnginePrecision)mode);
        }
    }

    // Autocast was recorded for CUDA alone; here it is the CPU's (DESIGN 8.4).
    private static void Check(JsonElement recorded, TransformerEnginePrecision mode)
    {
        using var scope = NewDisposeScope();
        Assert.That(mode.Name, Is.EqualTo(recorded.Text("precision")));
        Assert.That(mode.WeightsDataType.Name(), Is.EqualTo(recorded.Text("weights_dtype")));
        Assert.That(mode.FallbackComputeDataType.Name(), Is.EqualTo(recorded.Text("fallback_compute_dtype")));
        Assert.That(
            mode.ReplaceLayers,
            Is.EqualTo(
                recorded.Get("replace_layers")?.ValueKind switch
                {
                    JsonValueKind.True => true,
                    JsonValueKind.False => false,
                    _ => (bool?)null,
                }
            )
        );
        foreach (var dtype in (ScalarType[])[ScalarType.Float32, ScalarType.Float64, ScalarType.Int64])
        {
            Assert.That(
                mode.ConvertInput(ones(1, dtype)).dtype.Name(),
                Is.EqualTo(recorded.Text($"convert_input_{dtype.Name()}"))
            );
        }

        Assert.That(
            mode.ConvertOutput(ones(1, ScalarType.Float16)).dtype.Name(),
            Is.EqualTo(recorded.Text("convert_output_of_float16"))
        );
        foreach (
            var (context, begin) in new (string, Func<IDisposable>)[]
            {
                ("forward_context", mode.ForwardContext),
                ("tensor_init_context", mode.TensorInitContext),
                ("module_init_context", mode.ModuleInitContext),
            }
        )
        {
            using (begin())
            {
                Assert.That(
                    get_default_dtype().Name(),
                    Is.EqualTo(recorded.Get(context)!.Value.Text("default_dtype")),
                    context
                );
            }
        }
    }
}
