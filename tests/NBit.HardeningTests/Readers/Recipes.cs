using System.Text;
using NBit.HardeningTests.Inputs;
using NBit.TransformerEngine;

namespace NBit.HardeningTests.Readers;

/// <summary>Recipes in JSON; what is valid is written again, and is then the same.</summary>
internal sealed class Recipes : Reader
{
    private readonly JsonInputs _inputs = new([
        .. (
            (Float8Recipe[])
                [
                    new DelayedScaling(),
                    new Float8CurrentScaling(),
                    new MXFP8BlockScaling(),
                    new Float8BlockScaling(),
                    new NVFP4BlockScaling(),
                ]
        ).Select(recipe => recipe.ToJson()),
    ]);

    public override byte[] Make(Draw draw) => _inputs.Make(draw);

    public override bool Documents(Exception error) => error is ArgumentException;

    public override void Read(byte[] input)
    {
        // A string may hold half of a surrogate pair: here in the places of what is no UTF-8.
        var text = Encoding.UTF8.GetString(input).Replace('\ufffd', '\ud800');
        var recipe = Float8Recipe.FromJson(text);
        Require(Float8Recipe.FromJson(recipe.ToJson()) == recipe, "the recipe is not the one that was written");
    }
}
