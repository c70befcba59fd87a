using static TorchSharp.torch;

namespace NBit.TransformerEngine.Modules;

/// <summary>The weight and bias of a linear layer, whole, or as parameters of their own for parts of its
/// outputs.</summary>
internal sealed class LinearParameters
{
    private const string Name = "weight";

    private readonly ModuleWeight _weight;
    private readonly nn.Module _module;
    private readonly bool _hasBias;
    private readonly string[] _prefixes;

    /// <summary>Makes the parameters.</summary>
    /// <param name="module">The module that they are in.</param>
    /// <param name="state">That of the module.</param>
    /// <param name="inFeatures">The number of inputs.</param>
    /// <param name="outFeatures">The number of outputs.</param>
    /// <param name="hasBias">Whether there are biases.</param>
    /// <param name="split">The names of the parts and their numbers of outputs, in order; null for a whole.</param>
    /// <param name="initMethod">Fills each weight; null for numbers of N(0, 0.023).</param>
    /// <param name="dtype">Their dtype; null for the default dtype.</param>
    /// <exception cref="ArgumentException">The parts do not make up the outputs, or have no names of their
    /// own.</exception>
    public LinearParameters(
        nn.Module module,
        Float8State state,
        long inFeatures,
        long outFeatures,
        bool hasBias,
        IReadOnlyList<(string Name, long Size)>? split,
        Action<Tensor>? initMethod,
        ScalarType? dtype
    )
    {
        OptionChecks.Size(inFeatures);
        OptionChecks.Size(outFeatures);
        CheckSplit(split, outFeatures);
        (_module, _hasBias) = (module, hasBias);
        _prefixes = split is null ? [""] : [.. split.Select(part => part.Name + "_")];
        var sizes = split?.Select(part => part.Size).ToArray() ?? [outFeatures];
        _weight = new(
            module,
            state,
            product: 0,
            Name,
            [.. _prefixes.Select(prefix => prefix + Name).Zip(sizes)],
            inFeatures,
            initMethod,
            dtype
        );
        if (!hasBias)
        {
            return;
        }

        foreach (var (prefix, size) in _prefixes.Zip(sizes))
        {
            module.register_parameter(
                prefix + "bias",
                ModuleParameters.Create([size], dtype, made => nn.init.zeros_(made))
            );
        }
    }

    /// <summary>The weight [out, in].</summary>
    public ProductWeight Weight => _weight.Product;

    /// <summary>The bias [out], or null; of parts in the caller's dispose scope.</summary>
    public Tensor? Bias =>
        !_hasBias ? null
        : _prefixes is [var only] ? _module.get_parameter(only + "bias")
        : cat([.. _prefixes.Select(prefix => _module.get_parameter(prefix + "bias")!)], 0);

    private static void CheckSplit(IReadOnlyList<(string Name, long Size)>? split, long outFeatures)
    {
        if (split is null)
        {
            return;
        }

        if (split.Any(part => part.Size < 1) || split.Sum(part => part.Size) != outFeatures)
        {
            throw new ArgumentException(
                $"parameters of [{string.Join(", ", split.Select(part => part.Size))}] outputs do not make up a layer "
                    + $"of {outFeatures}: give each at least 1, and {outFeatures} together",
                nameof(split)
            );
        }

        if (
            split.Any(part => string.IsNullOrEmpty(part.Name))
            || split.DistinctBy(part => part.Name, StringComparer.Ordinal).Count() < split.Count
        )
        {
            throw new ArgumentException(
                $"the parts [{string.Join(", ", split.Select(part => part.Name))}] need names of their own",
                nameof(split)
            );
        }
    }
}
