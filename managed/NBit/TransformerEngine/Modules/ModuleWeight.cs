using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>The weight of a linear product among the parameters of a module: in floating point, or as codes where the
/// module is made inside of <see cref="Float8.ModelInit" />.</summary>
internal sealed class ModuleWeight
{
    private readonly nn.Module _module;
    private readonly string[] _names;
    private readonly Float8State _state;
    private readonly int _product;

    /// <summary>Makes the parameters.</summary>
    /// <param name="module">The module that they are in.</param>
    /// <param name="state">That of the module.</param>
    /// <param name="product">Which product of the module.</param>
    /// <param name="name">The name of the whole weight.</param>
    /// <param name="parts">The names of the parameters and their numbers of outputs, in order.</param>
    /// <param name="inFeatures">The number of inputs.</param>
    /// <param name="initMethod">Fills each in place; null for numbers of N(0, 0.023).</param>
    /// <param name="dtype">Their dtype; null for the default dtype.</param>
    public ModuleWeight(
        nn.Module module,
        Float8State state,
        int product,
        string name,
        IReadOnlyList<(string Name, long Size)> parts,
        long inFeatures,
        Action<Tensor>? initMethod,
        ScalarType? dtype
    )
    {
        (_module, _state, _product) = (module, state, product);
        _names = [.. parts.Select(part => part.Name)];
        var init = initMethod ?? ModuleParameters.InitWeight;
        if (ModelInitRegion.Current is { } region)
        {
            var whole = empty([parts.Sum(part => part.Size), inFeatures], dtype ?? get_default_dtype())
                .DetachFromDisposeScope();
            Fill(whole, parts, init);
            state.Hold(product, new(module, state, product, name, parts, whole, region));
            return;
        }

        foreach (var (part, size) in parts)
        {
            module.register_parameter(part, ModuleParameters.Create([size, inFeatures], dtype, init));
        }
    }

    /// <summary>The weight [out, in].</summary>
    public ProductWeight Product =>
        _state.Primary(_product)?.AsProduct() ?? new([.. _names.Select(name => (Tensor)_module.get_parameter(name)!)]);

    private static void Fill(Tensor whole, IReadOnlyList<(string Name, long Size)> parts, Action<Tensor> init)
    {
        using var grad = no_grad();
        using var scope = NewDisposeScope();
        var first = 0L;
        foreach (var (_, size) in parts)
        {
            init(whole.narrow(0, first, size));
            first += size;
        }
    }
}
