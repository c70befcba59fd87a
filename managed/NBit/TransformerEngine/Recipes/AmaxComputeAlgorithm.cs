using static TorchSharp.torch;

namespace NBit.TransformerEngine;

/// <summary>How <see cref="DelayedScaling" /> takes an amax from the history of a tensor.</summary>
public sealed record AmaxComputeAlgorithm
{
    private AmaxComputeAlgorithm(string? name, Func<Tensor, Tensor>? function) => (Name, Function) = (name, function);

    /// <summary>The largest amax of the history; NaN are left out.</summary>
    public static AmaxComputeAlgorithm Max { get; } = new("max", function: null);

    /// <summary>The newest amax.</summary>
    public static AmaxComputeAlgorithm MostRecent { get; } = new("most_recent", function: null);

    /// <summary>Transformer Engine's name; null for <see cref="Custom" />.</summary>
    public string? Name { get; }

    /// <summary>The function of <see cref="Custom" />; null for the others.</summary>
    public Func<Tensor, Tensor>? Function { get; }

    /// <summary>An algorithm of one's own.</summary>
    /// <param name="function">From the history, float32 [length, tensors] with the newest amax in row 0, to the amax,
    /// float32 [tensors]. It is disposed for the caller.</param>
    /// <returns>The algorithm.</returns>
    public static AmaxComputeAlgorithm Custom(Func<Tensor, Tensor> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        return new(name: null, function);
    }

    /// <inheritdoc />
    public override string ToString() => Name ?? "custom";
}
