using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using NBit.Interop;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace NBit.Quantization;

/// <summary>
/// Low-rank adapters over linear layers: y + alpha / rank * B(A(dropout(x))), with only A and B trained (LoRA,
/// arXiv:2106.09685). Over 4-bit layers this is QLoRA (arXiv:2305.14314).
/// </summary>
/// <remarks>
/// Layers stay the objects that they are, in fields of their own types. Their adapters are modules inside them, named
/// <c>lora_A</c> [rank, in] and <c>lora_B</c> [out, rank]: state dicts and <c>parameters()</c> have them.
/// </remarks>
public static class Lora
{
    private const string A = "lora_A",
        B = "lora_B",
        Dropout = "lora_dropout";

    /// <summary>Adds adapters to the layers of a model that the targets name, and freezes everything else.</summary>
    /// <param name="model">The model; as it was if this throws.</param>
    /// <param name="rank">The rank, 1 or more.</param>
    /// <param name="alpha">Outputs of adapters are multiplied by alpha / rank.</param>
    /// <param name="dropout">The probability that an adapter's input element is dropped in training.</param>
    /// <param name="targets">Names of layers: full ones, last parts ("q_proj"), or patterns with * and ?; null for all
    /// linear layers.</param>
    /// <param name="dtype">The dtype of A and B; null for float32.</param>
    /// <param name="freezeOthers">Whether all other parameters of the model stop being trained.</param>
    /// <returns>The full names of the layers that got an adapter.</returns>
    /// <exception cref="ArgumentException">The targets name no linear layer, or one that has an adapter.</exception>
    /// <exception cref="InvalidOperationException">TorchSharp's linear was called before NBit was there.</exception>
    public static IReadOnlyList<string> Attach(
        nn.Module model,
        int rank = 8,
        double alpha = 16,
        double dropout = 0,
        IEnumerable<string>? targets = null,
        ScalarType? dtype = null,
        bool freezeOthers = true
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        if (dropout is not (>= 0 and < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(dropout), dropout, "allowed are 0 and above, below 1");
        }

        TorchSharpInterposition.Require();
        var patterns = targets?.ToList();
        var layers = Layers(model).Where(layer => patterns is null || patterns.Exists(layer.IsNamedBy)).ToList();
        if (layers.Count == 0)
        {
            throw new ArgumentException(
                $"no linear layer is named by [{string.Join(", ", patterns ?? [])}]; the model has "
                    + string.Join(", ", Layers(model).Select(layer => layer.Name)),
                nameof(targets)
            );
        }

        if (layers.Find(layer => LinearWeight.Of(layer.Weight)?.Adapter is not null) is { } taken)
        {
            throw new ArgumentException($"{taken.Name} has an adapter already", nameof(model));
        }

        if (freezeOthers)
        {
            foreach (var parameter in model.parameters().Where(parameter => parameter.requires_grad))
            {
                parameter.requires_grad = false;
            }
        }

        layers.ForEach(layer => Attach(layer, rank, alpha / rank, dropout, dtype ?? ScalarType.Float32));
        return [.. layers.Select(layer => layer.Name)];
    }

    /// <summary>The parameters of a model's adapters.</summary>
    /// <param name="model">The model.</param>
    /// <returns>A and B of each adapter.</returns>
    public static IEnumerable<Parameter> Parameters(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Adapted(model).SelectMany(entry => entry.Adapter.A.parameters().Concat(entry.Adapter.B.parameters()));
    }

    /// <summary>Adds what the adapters learned to the weights, and removes the adapters.</summary>
    /// <param name="model">The model; as it was if this throws.</param>
    /// <exception cref="InvalidOperationException">A weight with an adapter is quantized: it cannot hold the
    /// sum.</exception>
    public static void Merge(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var adapted = Adapted(model).ToList();
        if (adapted.Find(entry => LinearWeight.Of(entry.Layer.Weight)!.IsQuantized) is { Layer: not null } quantized)
        {
            throw new InvalidOperationException(
                $"{quantized.Layer.Name} is quantized and cannot hold what its adapter learned; keep the adapter, or "
                    + "attach it to the floating-point model, merge, and quantize that"
            );
        }

        using var grad = no_grad();
        foreach (var (layer, adapter) in adapted)
        {
            using var scope = NewDisposeScope();
            var learned = adapter.B.weight.mm(adapter.A.weight) * adapter.Scaling;
            layer.Weight.add_(learned.to(layer.Weight.dtype));
            Detach(layer);
        }
    }

    /// <summary>Removes the adapters of a model.</summary>
    /// <param name="model">The model.</param>
    public static void Remove(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        foreach (var (layer, _) in Adapted(model).ToList())
        {
            Detach(layer);
        }
    }

    private static void Attach(Layer layer, int rank, double scaling, double dropout, ScalarType dtype)
    {
        var weight = LinearWeight.Of(layer.Weight);
        if (weight is null)
        {
            using var detached = layer.Weight.detach();
            weight = new FloatWeight(detached.alias());
            using var wrapped = weight.Wrap();
            LinearParameters.Set(layer.Weight, wrapped);
        }

        var a = nn.Linear(weight.InFeatures, rank, hasBias: false, dtype: dtype);
        var b = nn.Linear(rank, weight.OutFeatures, hasBias: false, dtype: dtype);
        nn.init.zeros_(b.weight);
        weight.Adapter = new LoraAdapter(a, b, dropout > 0 ? nn.Dropout(dropout) : null, scaling);
        layer.Module.register_module(A, a);
        layer.Module.register_module(B, b);
        if (weight.Adapter.Dropout is { } dropped)
        {
            layer.Module.register_module(Dropout, dropped); // train() and eval() reach it
        }
    }

    private static void Detach(Layer layer)
    {
        var weight = LinearWeight.Of(layer.Weight)!;
        var children = Submodules(layer.Module);
        foreach (var name in ((string[])[A, B, Dropout]).Where(children.ContainsKey))
        {
            children.Remove(name);
        }

        weight.Adapter?.Dispose();
        weight.Adapter = null;
    }

    private static IEnumerable<(Layer Layer, LoraAdapter Adapter)> Adapted(nn.Module model)
    {
        foreach (var layer in Layers(model))
        {
            if (LinearWeight.Of(layer.Weight)?.Adapter is { } adapter)
            {
                yield return (layer, adapter);
            }
        }
    }

    private static IEnumerable<Layer> Layers(nn.Module model)
    {
        var adapters = LoraAdapter.ModulesIn(model);
        foreach (var (name, module) in model.named_modules().Prepend(("", model)))
        {
            if (!adapters.Contains(module) && WeightOf(module) is { } weight)
            {
                yield return new Layer(name, module, weight);
            }
        }
    }

    private static Parameter? WeightOf(nn.Module module) =>
        module switch
        {
            Linear linear => linear.weight,
            Linear4bit linear => linear.weight,
            Linear8bitLt linear => linear.weight,
            _ => null,
        };

    // TorchSharp can add a submodule, not remove one.
    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_internal_submodules")]
    private static extern ref OrderedDict<string, nn.Module> Submodules(nn.Module module);

    private sealed record Layer(string Name, nn.Module Module, Parameter Weight)
    {
        public bool IsNamedBy(string pattern) =>
            Name == pattern
            || Name.EndsWith('.' + pattern, StringComparison.Ordinal)
            || FileSystemName.MatchesSimpleExpression(pattern, Name, ignoreCase: false);
    }
}
