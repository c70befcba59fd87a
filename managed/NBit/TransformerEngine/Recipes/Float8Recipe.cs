namespace NBit.TransformerEngine;

/// <summary>How the operands of matrix products are scaled and cast: data only, compared by value.</summary>
/// <remarks>The recipes are Transformer Engine 2.20's.</remarks>
public abstract record Float8Recipe
{
    /// <param name="format">The codes.</param>
    private protected Float8Recipe(Float8Format format) => Format = format;

    /// <summary>Which codes are used.</summary>
    /// <exception cref="ArgumentException">It is <see cref="Float8Format.E5M2" />.</exception>
    public Float8Format Format
    {
        get;
        init => field = RecipeArguments.Format(value);
    }

    /// <summary>In what the gradients of linear layers are computed where it is not 8 bits; inputs and weights are cast in
    /// the forward pass as ever.</summary>
    /// <exception cref="ArgumentException">It is none of the kinds, or the recipe is <see cref="DelayedScaling" />, whose
    /// scales of gradients would never be set.</exception>
    public BackwardOverride BackwardOverride
    {
        get;
        init => field = RecipeArguments.BackwardOverride(value, this);
    }

    /// <summary>The recipe as JSON, with Transformer Engine's names and a version.</summary>
    /// <returns>One line.</returns>
    /// <exception cref="NotSupportedException">The recipe holds a function, which JSON cannot.</exception>
    public string ToJson() => RecipeJson.Write(this);

    /// <summary>Reads what <see cref="ToJson" /> wrote.</summary>
    /// <param name="json">The JSON.</param>
    /// <returns>The recipe.</returns>
    /// <exception cref="ArgumentException">It is no recipe, or of another version; the message says what is
    /// allowed.</exception>
    public static Float8Recipe FromJson(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return RecipeJson.Read(json);
    }

    /// <summary>
    /// Reads the form in which Lightning takes a recipe:
    /// <c>{"fp8_format": "HYBRID", "amax_history_len": 16, "amax_compute_algo": "max"}</c>.
    /// </summary>
    /// <param name="settings">Settings of <see cref="DelayedScaling" /> by Transformer Engine's names; not changed.</param>
    /// <returns>The recipe.</returns>
    /// <exception cref="ArgumentException">A key or a value is not known; the message says which are.</exception>
    public static DelayedScaling FromDictionary(IReadOnlyDictionary<string, object> settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return RecipeJson.FromDictionary(settings);
    }

    /// <summary>The code of operands in the forward pass.</summary>
    internal CodeFormat ForwardType => CodeFormat.E4M3;

    /// <summary>The code of the gradients of outputs.</summary>
    internal CodeFormat BackwardType => Format == Float8Format.Hybrid ? CodeFormat.E5M2 : CodeFormat.E4M3;

    /// <summary>Whether scales come from amaxes of earlier steps, which a module keeps.</summary>
    internal bool IsDelayed => this is DelayedScaling;
}
