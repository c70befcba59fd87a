using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>The codes in a model, and the masters that they are trained by.</summary>
internal static class MasterWeights
{
    /// <summary>The weights of a model that are codes alone, with the names of their modules and a dot.</summary>
    public static IEnumerable<(string Prefix, PrimaryWeight Weight)> PrimariesIn(nn.Module model) =>
        from entry in Float8States.In(model)
        from weight in entry.State.Primaries
        select (entry.Name.Length == 0 ? "" : entry.Name + ".", weight);

    /// <summary>Gives every such weight a master.</summary>
    /// <exception cref="ArgumentException">The dtype is none to train in, or there are no such weights.</exception>
    public static void Add(nn.Module model, ScalarType dtype)
    {
        if (dtype is not (ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16))
        {
            throw new ArgumentException(
                $"master weights are asked for in {dtype}; allowed are Float32, BFloat16 and Float16",
                nameof(dtype)
            );
        }

        foreach (var weight in Required(model))
        {
            weight.AddMaster(dtype);
        }
    }

    /// <summary>Casts the masters for the last time, and removes them.</summary>
    /// <exception cref="ArgumentException">There are no weights that could have one.</exception>
    public static void Remove(nn.Module model)
    {
        foreach (var weight in Required(model))
        {
            weight.RemoveMaster();
        }
    }

    private static List<PrimaryWeight> Required(nn.Module model)
    {
        var weights = PrimariesIn(model).Select(entry => entry.Weight).ToList();
        return weights.Count > 0
            ? weights
            : throw new ArgumentException(
                $"{model.GetName()} has no weight that is codes alone; make its Linear, LayerNormLinear and other modules "
                    + "of NBit.TransformerEngine.Modules inside Float8.ModelInit",
                nameof(model)
            );
    }
}
