using System.Text.Json.Nodes;

namespace NBit.TransformerEngine;

/// <summary>A setting of a recipe, by Transformer Engine's name.</summary>
/// <param name="Name">The name.</param>
/// <param name="Write">From the recipe to the value; null for a setting that is left out.</param>
/// <param name="Read">From a recipe and a value to the recipe with that value.</param>
internal sealed record RecipeField(
    string Name,
    Func<Float8Recipe, JsonNode?> Write,
    Func<Float8Recipe, JsonNode, Float8Recipe> Read
)
{
    /// <summary>A setting of a recipe of one class.</summary>
    public static RecipeField Of<T>(string name, Func<T, JsonNode?> write, Func<T, JsonNode, T> read)
        where T : Float8Recipe => new(name, recipe => write((T)recipe), (recipe, value) => read((T)recipe, value));
}
