using NBit.TransformerEngine;

namespace NBit.Tests.TransformerEngine;

/// <summary>Recipes are data: compared, written and read, with nothing in them that cannot work.</summary>
public sealed class RecipeTests
{
    private static readonly Float8Recipe[] Recipes =
    [
        new DelayedScaling(),
        new DelayedScaling(
            margin: -2,
            format: Float8Format.E4M3,
            amaxHistoryLength: 16,
            amaxComputeAlgorithm: AmaxComputeAlgorithm.MostRecent
        ),
        new Float8CurrentScaling(),
        new Float8CurrentScaling(Float8Format.E4M3, usePowerOf2Scales: true, amaxEpsilon: 1e-3f),
        new MXFP8BlockScaling(),
        new MXFP8BlockScaling(Float8Format.Hybrid, enable2DQuantization: true),
        new Float8BlockScaling(),
        new Float8BlockScaling(Float8Format.Hybrid, usePowerOf2Scales: false, amaxEpsilon: 0.5f),
        new NVFP4BlockScaling(),
        new MXFP8BlockScaling { BackwardOverride = BackwardOverride.HighPrecision },
        new NVFP4BlockScaling { BackwardOverride = BackwardOverride.Dequantized },
        new NVFP4BlockScaling(
            disableRandomHadamardTransform: true,
            disableStochasticRounding: true,
            disable2DQuantization: true
        ),
    ];

    [TestCaseSource(nameof(Recipes))]
    public void A_recipe_is_the_same_after_it_was_written_and_read(Float8Recipe recipe) =>
        Assert.That(Float8Recipe.FromJson(recipe.ToJson()), Is.EqualTo(recipe));

    [Test]
    public void Json_has_the_names_of_Transformer_Engine() =>
        Assert.That(
            new DelayedScaling(amaxHistoryLength: 16).ToJson(),
            Is.EqualTo(
                """{"version":1,"recipe":"DelayedScaling","margin":0,"fp8_format":"HYBRID","amax_history_len":16,"amax_compute_algo":"max"}"""
            )
        );

    [Test]
    public void A_setting_that_is_left_out_of_the_json_has_its_usual_value() =>
        Assert.That(
            Float8Recipe.FromJson("""{"recipe":"DelayedScaling","version":1}"""),
            Is.EqualTo(new DelayedScaling())
        );

    [Test]
    public void A_dictionary_is_read_as_in_Lightning()
    {
        var settings = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["fp8_format"] = "HYBRID",
            ["amax_history_len"] = 16,
            ["amax_compute_algo"] = "max",
        };
        Assert.That(Float8Recipe.FromDictionary(settings), Is.EqualTo(new DelayedScaling(amaxHistoryLength: 16)));
        Assert.That(settings, Has.Count.EqualTo(3));
    }

    [TestCase("amax_history_length", 16, "it has margin, fp8_format, amax_history_len, amax_compute_algo")]
    [TestCase("fp8_format", "E6M1", "'E6M1' is not known; allowed are HYBRID and E4M3")]
    [TestCase("fp8_format", "hybrid", "'hybrid' is not known; allowed are HYBRID and E4M3")]
    [TestCase("fp8_format", "E5M2", "Pure E5M2 training is not supported")]
    [TestCase("fp8_format", 8, "must be of the kind of \"HYBRID\"")]
    [TestCase("amax_compute_algo", "min", "'min' is not known; allowed are max and most_recent")]
    [TestCase("amax_history_len", 0, "allowed are 1")]
    [TestCase("amax_history_len", "16", "must be of the kind of 1024")]
    [TestCase("backward_override", "dequantized", "DelayedScaling has no setting 'backward_override'")]
    [TestCase("margin", null, "must be of the kind of 0")]
    public void A_dictionary_with_an_error_is_refused(string key, object? value, string message) =>
        Assert.That(
            () =>
                Float8Recipe.FromDictionary(new Dictionary<string, object>(StringComparer.Ordinal) { [key] = value! }),
            Throws.InstanceOf<ArgumentException>().With.Message.Contains(message)
        );

    [TestCase("", "this is no recipe")]
    [TestCase("[]", "it is no JSON object")]
    [TestCase("{", "this is no recipe")]
    [TestCase("""{"recipe":"DelayedScaling"}""", "its version is missing; allowed is 1")]
    [TestCase("""{"recipe":"DelayedScaling","version":2}""", "its version is 2; allowed is 1")]
    [TestCase("""{"recipe":"DelayedScaling","version":"1"}""", "its version is \"1\"; allowed is 1")]
    [TestCase("""{"version":1}""", "its recipe is missing; allowed are DelayedScaling, Float8CurrentScaling")]
    [TestCase(
        """{"version":1,"recipe":"CustomRecipe"}""",
        "its recipe is \"CustomRecipe\"; allowed are DelayedScaling"
    )]
    [TestCase("""{"version":1,"recipe":"MXFP8BlockScaling","margin":1}""", "MXFP8BlockScaling has no setting 'margin'")]
    [TestCase(
        """{"version":1,"recipe":"Float8CurrentScaling","backward_override":"bf16"}""",
        "'bf16' is not known; allowed are high_precision and dequantized"
    )]
    [TestCase(
        """{"version":1,"recipe":"Float8CurrentScaling","backward_override":1}""",
        "'backward_override' of Float8CurrentScaling is 1"
    )]
    [TestCase("""{"version":1,"recipe":"DelayedScaling","margin":0.5}""", "'margin' of DelayedScaling is 0.5")]
    [TestCase("""{"version":1,"recipe":"DelayedScaling","margin":0,"margin":1}""", "this is no recipe")]
    [TestCase("""{"version":1,"recipe":"\ud800"}""", "half of a surrogate pair")]
    [TestCase("""{"version":1,"recipe":"DelayedScaling","\udc00":1}""", "half of a surrogate pair")]
    [TestCase("{\"version\":1,\"recipe\":\"\ud800\"}", "this is no recipe")]
    public void Json_that_is_no_recipe_is_refused(string json, string message) =>
        Assert.That(
            () => Float8Recipe.FromJson(json),
            Throws.InstanceOf<ArgumentException>().With.Message.Contains(message)
        );

    [Test]
    public void A_function_is_not_written()
    {
        var amax = new DelayedScaling(amaxComputeAlgorithm: AmaxComputeAlgorithm.Custom(history => history.amax([0])));
        var scaling = new DelayedScaling(scaling: (_, scale, _, _) => scale.clone());
        Assert.That(amax.ToJson, Throws.InstanceOf<NotSupportedException>().With.Message.Contains("function"));
        Assert.That(scaling.ToJson, Throws.InstanceOf<NotSupportedException>().With.Message.Contains("function"));
    }

    private static readonly (string Name, Func<Float8Recipe> Make)[] Refused =
    [
        ("format", () => new DelayedScaling(format: Float8Format.E5M2)),
        ("format", () => new Float8CurrentScaling(Float8Format.E5M2)),
        ("format", () => new MXFP8BlockScaling(Float8Format.E5M2)),
        ("format", () => new Float8BlockScaling(Float8Format.E5M2)),
        ("format", () => new DelayedScaling() with { Format = (Float8Format)7 }),
        ("backwardOverride", () => new MXFP8BlockScaling { BackwardOverride = (BackwardOverride)3 }),
        ("backwardOverride", () => new DelayedScaling { BackwardOverride = BackwardOverride.Dequantized }),
        ("amaxHistoryLength", () => new DelayedScaling(amaxHistoryLength: 0)),
        ("amaxHistoryLength", () => new DelayedScaling() with { AmaxHistoryLength = -1 }),
        ("amaxEpsilon", () => new Float8CurrentScaling(amaxEpsilon: -1)),
        ("amaxEpsilon", () => new Float8CurrentScaling(amaxEpsilon: float.NaN)),
        ("amaxEpsilon", () => new Float8BlockScaling(amaxEpsilon: float.PositiveInfinity)),
    ];

    private static IEnumerable<TestCaseData> RefusedRecipes() =>
        Refused.Select(
            (entry, index) => new TestCaseData(entry.Name, entry.Make).SetArgDisplayNames($"{index} {entry.Name}")
        );

    [TestCaseSource(nameof(RefusedRecipes))]
    public void A_setting_that_cannot_work_is_refused(string parameter, Func<Float8Recipe> make) =>
        Assert.That(() => make(), Throws.InstanceOf<ArgumentException>().With.Property("ParamName").EqualTo(parameter));
}
